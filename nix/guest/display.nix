# Windows: wayland-proxy-virtwl stands for the host's compositor in the guest, by crosvm's GPU (cross-domain). It starts when that is there: a vm
# without one runs commands without windows as ever.
{ lib, pkgs, ... }:

{
  hardware.graphics.enable = lib.mkDefault true;

  services.udev.extraRules = ''
    SUBSYSTEM=="drm", KERNEL=="renderD*", TAG+="systemd", ENV{SYSTEMD_USER_WANTS}+="wayland-proxy-virtwl.service"
  '';

  systemd.user.services.wayland-proxy-virtwl = {
    description = "Wayland proxy to the host's compositor";
    unitConfig.ConditionUser = "user";
    serviceConfig = {
      ExecStart = lib.concatStringsSep " " [
        "${pkgs.wayland-proxy-virtwl}/bin/wayland-proxy-virtwl"
        "--virtio-gpu"
        "--wayland-display=wayland-0"
        "--x-display=0"
        "--xwayland-binary=${pkgs.xwayland}/bin/Xwayland"
      ];
      Restart = "on-failure";
      RestartSec = "1s";
    };
  };
}
