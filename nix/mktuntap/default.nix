# mktuntap as a package: pkgs.callPackage ./nix/mktuntap { }
{ stdenv }:

stdenv.mkDerivation {
  pname = "mktuntap";
  version = "0.1.0";

  # Nothing that `make` may have left beside them.
  src = builtins.filterSource (path: _: builtins.elem (baseNameOf path) [ "Makefile" "mktuntap.c" ]) ./.;

  makeFlags = [
    "CC=${stdenv.cc.targetPrefix}cc"
    "PREFIX=$(out)"
  ];

  meta = {
    description = "Opens a TUN or TAP interface on a descriptor, then executes a program";
    license = {
      spdxId = "MIT";
      fullName = "MIT License";
      free = true;
    };
    mainProgram = "mktuntap";
    platforms = [ "aarch64-linux" "x86_64-linux" ];
  };
}
