# The TAPs of a host: of its networked vms, and of disposablePool; each with the id that its addresses follow from.
{ lib, cfg }:

let
  inherit (import ./addresses.nix) toPoolTap toVmTap;
in
{
  taps = map ({ name, id, ... }: { inherit id; tap = toVmTap name; }) (lib.filter ({ network, ... }: network) cfg.vms)
    ++ map (id: { inherit id; tap = toPoolTap id; }) cfg.disposablePool.ids;
}
