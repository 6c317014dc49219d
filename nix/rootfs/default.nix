# The small guest image: busybox and our agent, kept by s6. `nix build .#`
{ lib, pkgs, execline, nodejs_24, pkgsStatic, s6, linuxPackages, qubes-lite ? pkgs.callPackage ../package.nix { } }:

let
  guest = builtins.path { name = "qubes-lite-guest-scripts"; path = ../../guest-image/guest; };
  tree = builtins.path { name = "qubes-lite-s6-tree"; path = ./.; filter = path: _: !lib.hasSuffix ".nix" path; };

  root = pkgs.callPackage (pkgs.path + "/nixos/lib/make-ext4-fs.nix") {
    storePaths = [ nodejs_24 pkgsStatic.busybox s6 (lib.getBin execline) ];
    volumeLabel = "qubes-lite";
    populateImageCommands = ''
      root=$PWD/files place="ln -s" \
        busybox=${pkgsStatic.busybox}/bin/busybox node=${nodejs_24}/bin/node \
        s6=${lib.getBin s6}/bin execline=${lib.getBin execline}/bin \
        agent=${qubes-lite.agent}/lib/qubes-lite guest=${guest} \
        sh ${tree}/populate.sh
    '';
  };
in
pkgs.callPackage ../image.nix {
  name = "qubes-lite-rootfs";
  inherit qubes-lite root;
  inherit (linuxPackages) kernel;
}
