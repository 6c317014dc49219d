# Guests are hostile: they are denied each other, and the services of this host. In a table of nftables of its own, beside the firewall,
# whichever that is; it has the filters of what `qubes-lite host tap --print` says on other systems, word for word.
{ config, lib, pkgs, ... }:

let
  inherit (import ../lib/addresses.nix) toBase toGuest;
  inherit (import ../lib/taps.nix { inherit lib cfg; }) taps;

  cfg = config.programs.qubes-lite;
  base = toBase cfg.vmNetwork;
  isOn = cfg.enable && cfg.isolate && base != null;
  content = import ../lib/filters.nix {
    inherit lib;
    outside = if cfg.natEnable then cfg.natInterface else null;
    vms = lib.sort (a: b: a.id < b.id) (map ({ tap, id }: { inherit id tap; guest = toGuest base id; }) taps);
  };

  # Where nftables is NixOS' firewall, its own reload is to know the table: it may begin with a flush of everything.
  byNixos = config.networking.nftables.enable;
  file = "/etc/qubes-lite/filters.nft";
  # What is deleted must be there.
  rules = pkgs.writeText "qubes-lite.nft" ''
    table inet qubes-lite
    delete table inet qubes-lite
    table inet qubes-lite {
    ${content}}
  '';
in
{
  config = lib.mkIf isOn {
    networking.nftables.tables = lib.mkIf byNixos {
      qubes-lite = {
        family = "inet";
        inherit content;
      };
    };

    environment.etc = lib.mkIf (!byNixos) { "qubes-lite/filters.nft".source = rules; };
    systemd.services = lib.mkIf (!byNixos) {
      qubes-lite-isolation = {
        description = "Filters between qubes-lite's VMs, and between them and this host";
        # There before the first interface is, as NixOS' own firewall; and no TAP without them.
        wantedBy = [ "sysinit.target" ];
        requiredBy = lib.optionals (!config.networking.useNetworkd) (map ({ tap, ... }: "${tap}-netdev.service") taps);
        wants = [ "network-pre.target" ];
        before = [ "network-pre.target" "shutdown.target" ];
        conflicts = [ "shutdown.target" ];
        after = [ "systemd-modules-load.service" ];
        # One table takes the place of the other at once: vms are never without.
        reloadIfChanged = true;
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
  };
}
