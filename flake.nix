{
  description = "qubes-lite: runs programs in isolated VMs that boot when needed and leave when not";

  # The release has nodejs 24, on which qubes-lite runs.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = { self, nixpkgs }:
    let
      # Guests need koffi's addon, of which npm's lock has the one for x86-64.
      forEach = f: nixpkgs.lib.genAttrs [ "x86_64-linux" ] (system: f nixpkgs.legacyPackages.${system});
    in
    {
      # By their paths, so that who imports one twice has it once.
      nixosModules.default.imports = [ ./nix/modules ];
      nixosModules.guest.imports = [ ./nix/guest ];

      overlays.default = import ./nix/overlay.nix;

      packages = forEach (pkgs: let ours = import ./default.nix { inherit pkgs; }; in {
        inherit (ours) qubes-lite mktuntap rootfs-nixos;
        default = ours.rootfs;
      });

      checks = forEach (pkgs: import ./nix/checks.nix { inherit pkgs; });

      # What takes KVM within KVM, and long: nix build .#slowChecks.nested-crosvm
      legacyPackages = forEach (pkgs: { slowChecks = import ./nix/tests/slow.nix { inherit pkgs; }; });
    };
}
