# `nix flake check`, on a machine that has nixpkgs: that everything builds, and that NixOS takes the module.
{ pkgs }:

let
  ours = import ../default.nix { inherit pkgs; };
in
{
  inherit (ours) qubes-lite mktuntap rootfs rootfs-nixos;
  module-nixos = pkgs.testers.runNixOSTest ./tests/module.nix;
}
