# Tests that need a host whose KVM is nested, and many minutes.
{ pkgs }:

{
  nested-crosvm = pkgs.testers.runNixOSTest ./nested-crosvm.nix;
}
