# A guest image of NixOS as an image's directory (image.json, kernel, initramfs, root): pkgs.callPackage ./nix/rootfs-nixos { } { guestPrograms, guestConfig }.
# It depends on these two and nothing else. No VM builds it.
{ lib, pkgs, qubes-lite ? pkgs.callPackage ../package.nix { } }:

{ guestPrograms ? [ ], guestConfig ? { } }:

let
  system = import (pkgs.path + "/nixos/lib/eval-config.nix") {
    system = null;
    modules = [
      ../guest
      {
        nixpkgs.pkgs = pkgs;
        _qubesLite.package = qubes-lite;
        _qubesLite.guestPrograms = guestPrograms;
      }
      guestConfig
    ];
  };
  inherit (system.config.system.build) toplevel;

  root = pkgs.callPackage (pkgs.path + "/nixos/lib/make-ext4-fs.nix") {
    storePaths = [ toplevel ];
    volumeLabel = "qubes-lite";
    # What the initramfs moves into it, and starts. Where NixOS' own first stage is made, too, `init` is systemd itself, which prepares nothing.
    populateImageCommands = ''
      mkdir -p files/{dev,etc,home,mnt,proc,root,run,sbin,sys,tmp,usr,var}
      if [ -e ${toplevel}/prepare-root ]; then init=${toplevel}/prepare-root; else init=${toplevel}/init; fi
      ln -s "$init" files/sbin/init
    '';
  };
in
pkgs.callPackage ../image.nix {
  name = "qubes-lite-rootfs-nixos";
  inherit qubes-lite root;
  inherit (system.config.boot.kernelPackages) kernel;
  passthru = {
    inherit system;
    # Not what the broker says itself, nor what names a root for NixOS' own first stage.
    kernelParams = lib.filter (word: builtins.match "(qubeslite\\.|systemd\\.hostname=|ifname=|ip=|root=|-).*" word == null) system.config.boot.kernelParams;
  };
}
