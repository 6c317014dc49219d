# Windows: wayland-proxy-virtwl stands for the host's compositor in the guest, by crosvm's GPU (cross-domain). Where the vm has none it is not
# started, and commands without windows work as ever.
{ lib, pkgs, ... }:

{
  hardware.graphics.enable = lib.mkDefault true;

  systemd.user.services.wayland-proxy-virtwl = {
    description = "Wayland proxy to the host's compositor";
    wantedBy = [ "default.target" ];
    unitConfig.ConditionPathExists = "/dev/dri/renderD128";
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
