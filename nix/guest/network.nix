# Address, gateway and host name are on the kernel's command line: systemd.hostname=, ifname= and ip= are systemd's own words, of which
# systemd-network-generator makes files for networkd. No DHCP: a guest without ip= has no network.
{ lib, pkgs, ... }:

let
  # The name server's word is ours, since systemd's `nameserver=` belongs to no link there.
  nameServer = pkgs.writeShellScript "qubes-lite-name-server" (builtins.readFile ../../guest-image/systemd/name-server.sh);
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
