# What the user may open: /dev/kvm belongs to the group kvm, /dev/net/tun to everybody (systemd's 50-udev-default.rules has both).
{ config, lib, ... }:

let
  cfg = config.programs.qubes-lite;
in
{
  config = lib.mkIf cfg.enable {
    # A vm's vsock is vhost-device-vsock's, by Unix sockets: /dev/vhost-vsock, which any user may dial, is not needed.
    boot.kernelModules = [ "kvm" "tun" ];
    users.users.${cfg.user}.extraGroups = [ "kvm" ];
  };
}
