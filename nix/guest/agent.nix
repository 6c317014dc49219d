# The agent: it listens on vsock port 5000 for sessions, dials the host's port 5001, and is all that makes a vm ready.
{ config, pkgs, ... }:

let
  cfg = config._qubesLite;
  home = "${cfg.package.agent}/lib/qubes-lite";

  # For the host's progress line and the agent's report (guest-image/guest/init has the others).
  notePhase = pkgs.writeShellScript "qubes-lite-note-phase" ''
    [ ! -e /run/qubes-lite/agent-started ] || exit 0
    : >/run/qubes-lite/agent-started
    read -r uptime _ </proc/uptime
    echo "agent $uptime" >>/run/qubes-lite/phases
    echo "qubes-lite: phase agent" >/dev/console
  '';

  # When the guest goes down by its power button, or by a word of its own: the sessions' programs may say goodbye.
  endSessions = pkgs.writeShellScript "qubes-lite-end-sessions" ''
    sessions=/sys/fs/cgroup/system.slice/qubes-lite-agent.service/session-
    # Where there is no session there are no such files.
    exec 2>/dev/null
    for pid in $(cat "$sessions"*/cgroup.procs); do
      kill -s TERM "$pid" && kill -s CONT "$pid"
    done
    left=20
    while grep -q '^populated 1' "$sessions"*/cgroup.events && [ "$left" -gt 0 ]; do
      left=$((left - 1))
      sleep 0.1
    done
    for kill in "$sessions"*/cgroup.kill; do echo 1 >"$kill"; done
    exit 0
  '';

  powerOff = pkgs.writeShellScript "qubes-lite-power-off" ''
    exec ${config.systemd.package}/bin/systemctl --no-block poweroff
  '';
in
{
  systemd.services.qubes-lite-agent = {
    description = "qubes-lite's agent";
    wantedBy = [ "multi-user.target" ];
    # Whoever comes with the first session finds the network and the user's manager.
    after = [ "systemd-networkd.service" "systemd-tmpfiles-setup.service" "user@1000.service" ];
    wants = [ "user@1000.service" ];
    unitConfig.StartLimitIntervalSec = 0;
    serviceConfig = {
      ExecStartPre = notePhase;
      ExecStart = "${cfg.package.nodejs}/bin/node --disable-sigusr1 ${home}/agent.cjs";
      ExecStop = endSessions;
      # Sessions are cgroups below its own, and live on where it dies: the next one takes them over.
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
