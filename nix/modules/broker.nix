# The broker: its socket and service in the user's manager, its name on the user's bus, its configuration, and the commands that speak with it.
{ config, lib, pkgs, ... }:

let
  cfg = config.programs.qubes-lite;
  # Units are there for every user; these run for one.
  forUser.ConditionUser = cfg.user;

  startCommands = pkgs.runCommand "qubes-lite-start-commands" { } ''
    mkdir -p $out/bin
    ${lib.concatMapStringsSep "\n" ({ name, ... }: "ln -s ${cfg.package}/bin/qubes-lite $out/bin/qubes-lite-start-${name}") cfg.vms}
  '';
in
{
  config = lib.mkIf cfg.enable {
    environment.etc."qubes-lite/config.json".source = cfg.configFile;

    # Man pages and completions come with the programs.
    environment.systemPackages = [ cfg.package startCommands ];

    services.dbus.packages = [ cfg.package ];
    systemd.packages = [ cfg.package ];

    # The units themselves are the package's; NixOS heeds no [Install] of such.
    systemd.user.sockets.qubes-lite-broker = {
      wantedBy = [ "sockets.target" ];
      unitConfig = forUser;
    };
    systemd.user.services.qubes-lite-broker = {
      overrideStrategy = "asDropin";
      # The declared one, also where the user's home has another.
      environment.QUBES_LITE_CONFIG = "/etc/qubes-lite/config.json";
      # Where it looks for what runs vms that have no unit of their own, as after `qubes-lite set`, and what it asks of the host.
      path = [ cfg.vhostDeviceVsock.package cfg.virtiofsd.package cfg.crosvm.package cfg.qemu.package pkgs.util-linux pkgs.iproute2 pkgs.xdg-utils ];
      unitConfig = forUser;
    };
    systemd.user.services."dbus-org.qubeslite.Broker1" = {
      overrideStrategy = "asDropin";
      # Its program is named by its whole path.
      path = lib.mkForce [ ];
      unitConfig = forUser;
    };
  };
}
