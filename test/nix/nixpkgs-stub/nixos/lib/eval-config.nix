# As nixpkgs' file of this name, but for the options that are not nix/guest's.
{ system, modules }:

let
  lib = import ../../../mini-lib.nix;
  base = { config, lib, pkgs, ... }: {
    options = {
      nixpkgs.pkgs = lib.mkOption { type = lib.types.raw; };
      boot.kernelPackages = lib.mkOption { type = lib.types.raw; };
      boot.kernelParams = lib.mkOption { type = lib.types.listOf lib.types.str; default = [ ]; };
    };
    config = {
      systemd.package = pkgs.systemd;
      boot.kernelPackages = pkgs.linuxPackages;
      system.build.toplevel = pkgs.writeText "nixos-system" (builtins.toJSON {
        units = lib.mapAttrs (_: unit: unit.serviceConfig.ExecStart or null) config.systemd.services;
        programs = config.environment.systemPackages;
      });
    };
  };
  # `nixpkgs.pkgs` is among the modules, as a plain set.
  inherit ((lib.head (lib.filter (module: builtins.isAttrs module && module ? nixpkgs) modules)).nixpkgs) pkgs;
in
lib.evalModules {
  specialArgs = { inherit pkgs; };
  modules = [ base ../../../nixos-options.nix ../../../guest-options.nix ] ++ modules;
}
