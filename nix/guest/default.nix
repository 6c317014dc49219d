# The guest's half of qubes-lite as a NixOS module: a system that boots from a read-only image, runs our agent, and learns from the kernel's
# command line which vm it is. Nothing of one vm is in it, so vms share its image.
{
  imports = [
    ./options.nix
    ./root.nix
    ./agent.nix
    ./user.nix
    ./network.nix
    ./shared-directories.nix
    ./display.nix
    ./console.nix
  ];
}
