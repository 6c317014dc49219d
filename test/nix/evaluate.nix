# What programs.qubes-lite makes of a fixture: the assertions that fail and the warnings, and, where none fails, all that it writes.
{ fixture, libPath ? "" }:

let
  lib = if libPath == "" then import ./mini-lib.nix else import libPath;
  pkgs = import ./stub-pkgs.nix;

  # Named by what it is made of: so it is seen which vms share one, and that no name or id is in it.
  imageBuilder = { guestPrograms, guestConfig }:
    let
      guest = guestOf guestConfig;
      programs = lib.concatMapStringsSep "" (program: "-${program.name}") guestPrograms;
    in
    {
      type = "derivation";
      name = "image";
      outPath = "/nix/store/image${programs}${lib.optionalString (guest != { }) "-with-${builtins.hashString "md5" (builtins.toJSON guest)}"}";
    };
  # What of NixOS the fixtures' guests set.
  guestOf = guestConfig: lib.filterAttrs (_: value: value != { }) (lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = [
      { options = lib.genAttrs [ "fileSystems" "programs" "services" ] (_: lib.mkOption { type = lib.types.attrsOf lib.types.anything; default = { }; }); }
      guestConfig
    ];
  }).config;

  # The seed's own text has `inputs` from the flake around it.
  inputs.qubes-lite.nixosModules.default = ../../nix/modules;
  load = file: builtins.scopedImport { inherit inputs; } file;

  inherit (lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = [
      ./nixos-options.nix
      ../../nix/modules
      { programs.qubes-lite.imageBuilder = imageBuilder; }
      (load fixture)
    ];
  }) config;

  failed = map ({ message, ... }: message) (lib.filter ({ assertion, ... }: !assertion) config.assertions);
  names = map ({ name, ... }: name);
  # Of a unit's options those that say something.
  said = lib.filterAttrs (name: value: !(lib.elem value [ [ ] { } "" ]) && !(lib.elem name [ "enable" "restartIfChanged" ] && value) && !(name == "reloadIfChanged" && !value));
  units = lib.mapAttrs (_: unit: said (unit // lib.optionalAttrs (unit ? path) { path = names unit.path; reloadTriggers = names unit.reloadTriggers; }));
  textOf = name: (lib.head (lib.filter (package: package.name == name) config.systemd.packages)).script;
in
{
  inherit failed;
  inherit (config) warnings;
} // lib.optionalAttrs (failed == [ ] && config.programs.qubes-lite.enable) {
  broker = builtins.fromJSON (builtins.unsafeDiscardStringContext config.programs.qubes-lite.configFile.text);
  guests = lib.listToAttrs (map ({ name, guestConfig, ... }: { inherit name; value = guestOf guestConfig; }) config.programs.qubes-lite.vms);
  facts = import ../../nix/lib/host-facts.nix { inherit lib; cfg = config.programs.qubes-lite; };
  etc = lib.mapAttrs (_: { source, ... }: source.name) config.environment.etc;
  systemPackages = names config.environment.systemPackages;
  dbusPackages = names config.services.dbus.packages;
  systemdPackages = names config.systemd.packages;
  unitsScript = textOf "qubes-lite-units";
  services = units config.systemd.services;
  userServices = units config.systemd.user.services;
  userSockets = units config.systemd.user.sockets;
  networking = {
    inherit (config.networking) interfaces nat;
    inherit (config.networking.networkmanager) unmanaged;
    inherit (config.networking.dhcpcd) denyInterfaces;
    inherit (config.systemd.network) networks;
  };
  inherit (config.programs.qubes-lite) natEnable natInterface;
  kernelModules = config.boot.kernelModules;
  sysctl = config.boot.kernel.sysctl;
  groups = lib.mapAttrs (_: { extraGroups, ... }: extraGroups) config.users.users;
} // lib.optionalAttrs (failed == [ ] && config.environment.etc ? "qubes-lite/filters.nft") {
  isolation = config.environment.etc."qubes-lite/filters.nft".source.text;
} // lib.optionalAttrs (failed == [ ] && config.networking.nftables.tables != { }) {
  inherit (config.networking.nftables) tables;
}
