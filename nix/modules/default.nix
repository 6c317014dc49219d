# The host's half of qubes-lite as a NixOS module: programs.qubes-lite.
{
  imports = [
    ./options.nix
    ./assertions.nix
    ./broker.nix
    ./vms.nix
    ./devices.nix
    ./network.nix
    ./isolation.nix
  ];
}
