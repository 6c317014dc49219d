# TAPs, which vms of the user open without rights of their own, and NAT for what comes from them.
{ config, lib, ... }:

let
  inherit (import ../lib/addresses.nix) prefixLength toBase toGuest toHost;

  cfg = config.programs.qubes-lite;
  base = toBase cfg.vmNetwork;

  # None without a network to have addresses of, which an assertion tells of.
  taps = lib.optionals (base != null) (import ../lib/taps.nix { inherit lib cfg; }).taps;
in
{
  config = lib.mkIf cfg.enable {
    networking.interfaces = lib.listToAttrs (map ({ tap, id }: {
      name = tap;
      value = {
        virtual = true;
        virtualType = "tap";
        virtualOwner = cfg.user;
        ipv4.addresses = [ { address = toHost base id; inherit prefixLength; } ];
      };
    }) taps);

    # Without a vm at its other end a TAP has no carrier: it has its address all the same, and nobody waits for it.
    systemd.network.networks = lib.mkIf config.networking.useNetworkd (lib.listToAttrs (map ({ tap, ... }: {
      name = "40-${tap}";
      value = {
        linkConfig.RequiredForOnline = "no";
        networkConfig.ConfigureWithoutCarrier = true;
      };
    }) taps));

    # They are nobody's uplink: no DHCP client asks there.
    networking.networkmanager.unmanaged = [ "interface-name:ql-*" ];
    networking.dhcpcd.denyInterfaces = [ "ql-*" ];

    boot.kernel.sysctl = lib.mkIf cfg.natEnable { "net.ipv4.ip_forward" = lib.mkDefault 1; };
    networking.nat = lib.mkIf cfg.natEnable {
      enable = true;
      externalInterface = cfg.natInterface;
      internalIPs = map ({ id, ... }: "${toGuest base id}/32") taps;
    };
  };
}
