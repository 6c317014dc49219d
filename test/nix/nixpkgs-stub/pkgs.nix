# What flake.nix and default.nix ask of nixpkgs.
{ system }:

let
  lib = import ../mini-lib.nix;

  mkDerivation = attributes:
    let
      named = removeAttrs attributes [ "meta" "passthru" "outputs" "nativeBuildInputs" ] // { name = attributes.name or attributes.pname; };
      drv = derivation (named // { inherit system; builder = "/bin/sh"; outputs = attributes.outputs or [ "out" ]; });
    in
    drv // { meta = attributes.meta or { }; } // (attributes.passthru or { });

  names = [
    "busybox" "coreutils" "crosvm" "execline" "iproute2" "jq" "nftables" "nodejs_24" "qemu-utils" "qemu_kvm" "s6" "systemd" "util-linux"
    "vhost-device-vsock" "virtiofsd" "wayland-proxy-virtwl" "xdg-utils" "xwayland"
  ];

  kernel = mkDerivation { name = "linux"; outputs = [ "out" "modules" ]; passthru = { modDirVersion = "6.18.0"; target = "bzImage"; }; };

  make = overlay:
    let
      self = lib.listToAttrs (map (name: { inherit name; value = mkDerivation { inherit name; }; }) names) // {
        inherit lib system;
        path = ./.;
        pkgs = self;
        stdenv = { inherit mkDerivation; hostPlatform = { inherit system; }; cc.targetPrefix = ""; };
        stdenvNoCC = self.stdenv;
        pkgsStatic = { inherit (self) busybox; };
        linuxPackages = { inherit kernel; };
        runCommand = name: attributes: buildCommand: mkDerivation (attributes // { inherit name buildCommand; });
        writeText = name: text: mkDerivation { inherit name text; };
        writeShellScript = name: text: mkDerivation { inherit name text; };
        testers.runNixOSTest = module: mkDerivation { name = "test-${(import module).name}"; };
        callPackage = file: given:
          let function = if builtins.isFunction file then file else import file;
          in function (builtins.intersectAttrs (builtins.functionArgs function) self // given);
        extend = make;
      } // overlay self self;
    in
    self;
in
make (_: _: { })
