# NixOS' options that the guest's modules set, beside those in nixos-options.nix: what the checks here take for granted.
{ lib, ... }:

let
  inherit (lib) mkOption types;
  bool = default: mkOption { type = types.bool; inherit default; };
  list = type: mkOption { type = types.listOf type; default = [ ]; };
in
{
  options = {
    # nixos/modules/system/boot/stage-1.nix, loader/grub/grub.nix, systemd.nix, networkd.nix
    boot.initrd.enable = bool true;
    boot.loader.grub.enable = bool true;
    systemd.additionalUpstreamSystemUnits = list types.str;
    systemd.generators = mkOption { type = types.attrsOf types.path; default = { }; };
    systemd.network.wait-online.enable = bool true;
    systemd.package = mkOption { type = types.package; };
    # nixos/modules/system/boot/systemd/tmpfiles.nix
    systemd.tmpfiles.rules = list types.str;
    # nixos/modules/system/activation/switchable-system.nix, misc/version.nix, misc/documentation.nix, services/system/nix-daemon.nix
    system.switch.enable = bool true;
    system.stateVersion = mkOption { type = types.str; };
    documentation.enable = bool true;
    nix.enable = bool true;
    # nixos/modules/config/users-groups.nix
    users.mutableUsers = bool true;
    users.allowNoPasswordLogin = bool false;
    # nixos/modules/tasks/network-interfaces.nix, services/system/resolved, services/ttys/getty.nix, hardware/graphics.nix
    networking.hostName = mkOption { type = types.strMatching "$|[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?"; default = "nixos"; };
    networking.useDHCP = bool true;
    services.resolved.enable = bool false;
    services.getty.autologinUser = mkOption { type = types.nullOr types.str; default = null; };
    hardware.graphics.enable = bool false;
    # nixos/modules/services/hardware/udev.nix, system/activation/top-level.nix
    services.udev.extraRules = mkOption { type = types.str; default = ""; };
    system.build = mkOption { type = types.attrsOf types.raw; default = { }; };
  };
}
