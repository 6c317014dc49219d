# qubeslite.share=TAG: what the host shares by that tag is mounted at /mnt/TAG.
{ pkgs, ... }:

let
  # Generators have no PATH that one may rely on.
  generator = pkgs.writeShellScript "qubes-lite-share-generator" ''
    export PATH=${pkgs.coreutils}/bin
    ${builtins.readFile ../../guest-image/systemd/share-generator.sh}
  '';
in
{
  systemd.generators.qubes-lite-shares = "${generator}";
}
