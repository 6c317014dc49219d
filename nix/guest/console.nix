# A root shell on the serial console, for the host's user (qubes-lite console): whoever has the vm's directory owns the vm.
{
  services.getty.autologinUser = "root";
  systemd.services."getty@tty1".enable = false;
}
