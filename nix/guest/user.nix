# Who commands run as: `user`, whose manager runs from the boot on, for the Wayland proxy and its like.
{ config, lib, pkgs, ... }:

{
  users.mutableUsers = false;
  users.allowNoPasswordLogin = true;
  users.users.user = {
    isNormalUser = true;
    uid = 1000;
    home = lib.mkDefault "/home/user";
    linger = true;
    extraGroups = [ "video" "render" ];
    packages = config._qubesLite.guestPrograms;
  };

  # A disk that is mounted there may be new, and then root's.
  systemd.tmpfiles.rules = [ "z ${config.users.users.user.home} 0700 user users -" ];

  environment.etc."qubes-lite/environment.user".text = ''
    XDG_RUNTIME_DIR=/run/user/1000
    DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus
    XDG_SESSION_TYPE=wayland
    WAYLAND_DISPLAY=wayland-0
    DISPLAY=:0
    NIXOS_OZONE_WL=1
  '';

  # What opens links and files that come from the host.
  environment.systemPackages = [ pkgs.xdg-utils ];
}
