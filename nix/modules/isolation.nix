# Guests are hostile: they are denied each other, and the services of this host. In a table of nftables of its own, beside the firewall,
# whichever that is; it has the filters of what `qubes-lite host tap --print` says on other systems, word for word.
{ config, lib, pkgs, ... }:

let
  inherit (import ../lib/addresses.nix) toBase toGuest toPoolTap toVmTap;

  cfg = config.programs.qubes-lite;
  base = toBase cfg.vmNetwork;
  file = "/etc/qubes-lite/filters.nft";
  isOn = cfg.enable && cfg.isolate && base != null;
  rules = pkgs.writeText "qubes-lite.nft" (import ../lib/filters.nix {
    inherit lib;
    outside = if cfg.natInterface == "" then null else cfg.natInterface;
    vms = lib.sort (a: b: a.id < b.id) (
      map ({ name, id, ... }: { inherit id; tap = toVmTap name; guest = toGuest base id; }) (lib.filter ({ network, ... }: network) cfg.vms)
      ++ map (id: { inherit id; tap = toPoolTap id; guest = toGuest base id; }) cfg.disposablePool.ids
    );
  });
in
{
  config = lib.mkIf isOn {
    # To be read, too.
    environment.etc."qubes-lite/filters.nft".source = rules;

    systemd.services.qubes-lite-isolation = {
      description = "Filters between qubes-lite's VMs, and between them and this host";
      # There before the first interface is, as NixOS' own firewall.
      wantedBy = [ "sysinit.target" ];
      wants = [ "network-pre.target" ];
      before = [ "network-pre.target" "shutdown.target" ];
      conflicts = [ "shutdown.target" ];
      # nftables' ruleset may begin with a flush.
      after = [ "systemd-modules-load.service" "nftables.service" ];
      partOf = [ "nftables.service" ];
      reloadTriggers = [ rules ];
      unitConfig.DefaultDependencies = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${pkgs.nftables}/bin/nft -f ${file}";
        ExecReload = "${pkgs.nftables}/bin/nft -f ${file}";
        ExecStop = "${pkgs.nftables}/bin/nft delete table inet qubes-lite";
      };
    };
  };
}
