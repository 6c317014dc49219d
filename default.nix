# Without flakes: nix-build -A qubes-lite, and imports = [ (import ./. { }).modules.default ] in a configuration.
{ pkgs ? import <nixpkgs> { } }:

let
  ours = pkgs.extend (import ./nix/overlay.nix);
in
{
  inherit (ours) qubes-lite mktuntap;
  inherit (ours.qubes-lite-images) rootfs rootfs-nixos;
  modules = {
    default = ./nix/modules;
    guest = ./nix/guest;
  };
}
