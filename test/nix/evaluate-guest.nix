# What nix/guest makes of a guest whose own configuration is `fixture`.
{ fixture, libPath ? "" }:

let
  lib = if libPath == "" then import ./mini-lib.nix else import libPath;
  pkgs = import ./stub-pkgs.nix;

  inherit (lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = [ ./nixos-options.nix ./guest-options.nix ../../nix/guest { systemd.package = pkgs.systemd; } fixture ];
  }) config;

  names = map ({ name, ... }: name);
  said = lib.filterAttrs (name: value: !(lib.elem value [ [ ] { } "" ]) && !(lib.elem name [ "enable" "restartIfChanged" ] && value) && !(name == "reloadIfChanged" && !value));
  units = lib.mapAttrs (_: unit: said (unit // { path = names unit.path; }));
in
{
  boot = { inherit (config.boot) kernelModules; initrd = config.boot.initrd.enable; grub = config.boot.loader.grub.enable; };
  switch = config.system.switch.enable;
  nix = config.nix.enable;
  inherit (config.system) stateVersion;
  users = lib.mapAttrs (_: user: user // { packages = names user.packages; }) config.users.users;
  etc = lib.mapAttrs (_: { text, ... }: text) config.environment.etc;
  systemPackages = names config.environment.systemPackages;
  networking = { inherit (config.networking) hostName useDHCP useNetworkd; resolved = config.services.resolved.enable; };
  systemd = {
    inherit (config.systemd) additionalUpstreamSystemUnits generators;
    inherit (config.systemd.tmpfiles) rules;
    waitsOnline = config.systemd.network.wait-online.enable;
    services = units config.systemd.services;
    userServices = units config.systemd.user.services;
  };
  console = config.services.getty.autologinUser;
  graphics = config.hardware.graphics.enable;
  udev = config.services.udev.extraRules;
  built = lib.attrNames config.system.build;
}
