# Our packages as nixpkgs' own.
final: _: {
  qubes-lite = final.callPackage ./package.nix { };
  mktuntap = final.callPackage ./mktuntap { };
  qubes-lite-images = {
    rootfs = final.callPackage ./rootfs { };
    # With no programs and no configuration of anybody's.
    rootfs-nixos = final.callPackage ./rootfs-nixos { } { };
  };
}
