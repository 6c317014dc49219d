# The agent: it listens on vsock port 5000 for sessions, dials the host's port 5001, and is all that makes a vm ready.
{ config, pkgs, ... }:

let
  cfg = config._qubesLite;
  home = "${cfg.package.agent}/lib/qubes-lite";

  # For the host's progress line and the agent's report (guest-image/guest/init has the others).
  notePhase = pkgs.writeShellScript "qubes-lite-note-phase" (builtins.readFile ../../guest-image/systemd/note-phase.sh);

  # When the guest goes down by its power button, or by a word of its own: the sessions' programs may say goodbye.
  endSessions = pkgs.writeShellScript "qubes-lite-end-sessions" (builtins.readFile ../../guest-image/systemd/end-sessions.sh);

  powerOff = pkgs.writeShellScript "qubes-lite-power-off" ''
    exec ${config.systemd.package}/bin/systemctl --no-block poweroff
  '';
in
{
  systemd.services.qubes-lite-agent = {
    description = "qubes-lite's agent";
    wantedBy = [ "multi-user.target" ];
    # Whoever comes with the first session finds the user's manager, a home of their own, and a network that is about to be there.
    after = [ "systemd-networkd.service" "systemd-tmpfiles-setup.service" "user@1000.service" ];
    wants = [ "user@1000.service" ];
    unitConfig.StartLimitIntervalSec = 0;
    serviceConfig = {
      ExecStartPre = notePhase;
      ExecStart = "${cfg.package.nodejs}/bin/node --disable-sigusr1 ${home}/agent.cjs";
      ExecStop = endSessions;
      # Sessions are cgroups below its own. Where it dies they have lost their clients; the next one lets them end, in good order.
      Delegate = true;
      KillMode = "process";
      Restart = "always";
      RestartSec = "100ms";
      # Made by the initramfs, with what is to outlive the agent in it.
      RuntimeDirectory = "qubes-lite";
      RuntimeDirectoryMode = "0700";
      RuntimeDirectoryPreserve = true;
      OOMScoreAdjust = -900;
      # The host keeps what is on the console.
      StandardOutput = "journal+console";
      StandardError = "journal+console";
    };
  };

  # Places that the agent and its host know (src/guest/agent/paths.ts).
  systemd.tmpfiles.rules = [ "L+ /usr/lib/qubes-lite/power-off - - - - ${powerOff}" ];
  environment.systemPackages = [ cfg.package.agent ];
  environment.etc."qubes-lite/cmdline".text = ''
    qubeslite.disposable=${if cfg.disposable then "1" else "0"} qubeslite.idle_timeout=${toString cfg.idleTimeout}
  '';
  environment.etc."qubes-lite/environment".text = ''
    PATH=/run/wrappers/bin:/etc/profiles/per-user/user/bin:/run/current-system/sw/bin
    XDG_DATA_DIRS=/etc/profiles/per-user/user/share:/run/current-system/sw/share
    LOCALE_ARCHIVE=/run/current-system/sw/lib/locale/locale-archive
    NIX_XDG_DESKTOP_PORTAL_DIR=/run/current-system/sw/share/xdg-desktop-portal/portals
  '';
}
