# Address, gateway and host name are on the kernel's command line: systemd.hostname=, ifname= and ip= are systemd's own words, of which
# systemd-network-generator makes files for networkd. No DHCP: a guest without ip= has no network.
{ lib, pkgs, ... }:

let
  # The name server's word is ours, since systemd's `nameserver=` belongs to no link there.
  nameServer = pkgs.writeShellScript "qubes-lite-name-server" ''
    read -r line </proc/cmdline
    for word in $line; do
      case $word in qubeslite.dns=*) server=''${word#*=} ;; esac
    done
    case ''${server-} in
    "" | *[!0-9.]*) exit 0 ;;
    esac
    mkdir -p /run/systemd/resolved.conf.d
    printf '[Resolve]\nDNS=%s\nDomains=~.\n' "$server" >/run/systemd/resolved.conf.d/qubes-lite.conf
  '';
in
{
  networking.hostName = lib.mkDefault "";
  networking.useNetworkd = true;
  networking.useDHCP = false;

  systemd.additionalUpstreamSystemUnits = [ "systemd-network-generator.service" ];
  systemd.services.systemd-network-generator.wantedBy = [ "sysinit.target" ];

  services.resolved.enable = lib.mkDefault true;
  systemd.services.qubes-lite-name-server = {
    description = "Name server from the kernel's command line";
    wantedBy = [ "systemd-resolved.service" ];
    before = [ "systemd-resolved.service" ];
    unitConfig.ConditionKernelCommandLine = "qubeslite.dns";
    unitConfig.DefaultDependencies = false;
    serviceConfig.Type = "oneshot";
    serviceConfig.ExecStart = nameServer;
  };
}
