# The vms' units, which the broker's own program renders when the system is built: systemctl --user start qubes-lite-<name>.
{ config, lib, pkgs, ... }:

let
  cfg = config.programs.qubes-lite;

  facts = pkgs.writeText "qubes-lite-host-facts.json" (builtins.toJSON (import ../lib/host-facts.nix { inherit cfg lib; }));

  # By the broker's own rules: what its loader would refuse, it refuses here.
  units = pkgs.runCommand "qubes-lite-units" { } ''
    ${cfg.package}/bin/qubes-lite units --config ${cfg.configFile} --facts ${facts} --out $out/lib/systemd/user
  '';

  # What all units of vms get, beside what they say themselves.
  drop = {
    overrideStrategy = "asDropin";
    # A vm is the user's: it runs on while the system changes around it.
    restartIfChanged = false;
    # The shim's setsid, beside the programs that NixOS puts there.
    path = [ pkgs.util-linux ];
    unitConfig.ConditionUser = cfg.user;
    # It goes on, too, when it is no longer among the configured.
    unitConfig.X-StopOnRemoval = false;
  };
in
{
  config = lib.mkIf cfg.enable {
    systemd.packages = [ units ];

    systemd.user.services = lib.mkMerge (map (vm: {
      "qubes-lite-${vm.name}" = drop // {
        # A vm's windows need the session's compositor.
        wantedBy = lib.optional vm.autoStart "graphical-session.target";
        after = lib.optional vm.autoStart "graphical-session.target";
      };
      # Its disposable instances.
      "qubes-lite-${vm.name}@" = drop;
    }) cfg.vms);
  };
}
