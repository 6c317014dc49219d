# qubeslite.share=TAG: what the host shares by that tag is mounted at /mnt/TAG.
{ pkgs, ... }:

{
  systemd.generators.qubes-lite-shares = "${pkgs.writeShellScript "qubes-lite-share-generator" (builtins.readFile ./share-generator.sh)}";
}
