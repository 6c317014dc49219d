# NixOS' options that the modules set, each as nixpkgs declares it where the comment says: what the checks here take for granted.
{ lib, ... }:

let
  inherit (lib) mkOption types;
  list = type: mkOption { type = types.listOf type; default = [ ]; };
  attrs = type: mkOption { type = types.attrsOf type; default = { }; };
  bool = mkOption { type = types.bool; default = false; };
  # systemd-lib.nix's unitConfig, serviceConfig: an attribute set of what systemd reads.
  section = attrs types.anything;

  # nixos/lib/systemd-unit-options.nix: of every unit, and of services alone
  unit = {
    enable = mkOption { type = types.bool; default = true; };
    description = mkOption { type = types.str; default = ""; };
    wantedBy = list types.str;
    requiredBy = list types.str;
    wants = list types.str;
    requires = list types.str;
    after = list types.str;
    before = list types.str;
    partOf = list types.str;
    conflicts = list types.str;
    unitConfig = section;
    overrideStrategy = mkOption { type = types.enum [ "asDropinIfExists" "asDropin" ]; default = "asDropinIfExists"; };
  };
  service = unit // {
    serviceConfig = section;
    environment = attrs (types.nullOr types.str);
    path = list types.package;
    restartIfChanged = mkOption { type = types.bool; default = true; };
    reloadIfChanged = bool;
    reloadTriggers = list types.package;
  };
  services = attrs (types.submodule { options = service; });
  sockets = attrs (types.submodule { options = unit // { socketConfig = section; }; });
in
{
  options = {
    # nixos/modules/misc/assertions.nix
    assertions = list types.raw;
    warnings = list types.str;
    # nixos/modules/system/boot/kernel.nix
    boot.kernelModules = list types.str;
    # nixos/modules/config/sysctl.nix
    boot.kernel.sysctl = attrs (types.nullOr types.int);
    # nixos/modules/system/etc/etc.nix
    environment.etc = attrs (types.submodule {
      options.source = mkOption { type = types.package; };
      options.text = mkOption { type = types.nullOr types.str; default = null; };
    });
    # nixos/modules/config/system-path.nix
    environment.systemPackages = list types.package;
    # nixos/modules/tasks/network-interfaces.nix
    networking.nameservers = list types.str;
    networking.interfaces = attrs (types.submodule {
      options = {
        virtual = bool;
        virtualType = mkOption { type = types.nullOr (types.enum [ "tun" "tap" ]); default = null; };
        virtualOwner = mkOption { type = types.nullOr types.str; default = "root"; };
        ipv4.addresses = list (types.submodule {
          options.address = mkOption { type = types.str; };
          options.prefixLength = mkOption { type = types.ints.between 0 32; };
        });
      };
    });
    networking.useNetworkd = bool;
    # nixos/modules/system/boot/networkd.nix
    systemd.network.networks = attrs (types.submodule {
      options.linkConfig.RequiredForOnline = mkOption { type = types.str; };
      options.networkConfig.ConfigureWithoutCarrier = bool;
    });
    # nixos/modules/services/networking/nat.nix
    networking.nat = {
      enable = bool;
      externalInterface = mkOption { type = types.nullOr types.str; default = null; };
      internalIPs = list types.str;
    };
    # nixos/modules/services/networking/nftables.nix
    networking.nftables.enable = bool;
    networking.nftables.tables = attrs (types.submodule {
      options.family = mkOption { type = types.enum [ "ip" "ip6" "inet" "arp" "bridge" "netdev" ]; };
      options.content = mkOption { type = types.str; };
    });
    # nixos/modules/services/networking/networkmanager.nix, dhcpcd.nix
    networking.networkmanager.unmanaged = list types.str;
    networking.dhcpcd.denyInterfaces = list types.str;
    # nixos/modules/services/system/dbus.nix
    services.dbus.packages = list types.package;
    # nixos/modules/system/boot/systemd.nix, systemd/user.nix
    systemd.packages = list types.package;
    systemd.services = services;
    systemd.user.services = services;
    systemd.user.sockets = sockets;
    # nixos/modules/config/users-groups.nix
    users.users = attrs (types.submodule {
      options = {
        isNormalUser = bool;
        uid = mkOption { type = types.nullOr types.int; default = null; };
        home = mkOption { type = types.str; default = "/var/empty"; };
        linger = mkOption { type = types.nullOr types.bool; default = null; };
        extraGroups = list types.str;
        packages = list types.package;
      };
    });
  };
}
