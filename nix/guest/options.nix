# _qubesLite: what a guest is told of itself where nobody says it on the kernel's command line, as a broker of qubes-lite always does; and what it
# is built with.
{ lib, pkgs, ... }:

let
  inherit (lib) literalExpression mkOption types;
in
{
  options._qubesLite = {
    disposable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the VM is shut down when its last command ends. The kernel's command line overrides it: qubeslite.disposable.";
    };
    idleTimeout = mkOption {
      type = types.ints.between 0 31536000;
      default = 0;
      description = "Seconds without use after which the host stops the VM; 0 is never. The kernel's command line overrides it: qubeslite.idle_timeout.";
    };
    guestPrograms = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages of the image.";
    };
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../package.nix { };
      defaultText = literalExpression "pkgs.qubes-lite";
      description = "The qubes-lite whose agent it runs.";
    };
  };
}
