# The root file system: a read-only ext4 below, memory above. The initramfs of every qubes-lite image makes it (guest-image/guest/init)
# and starts /sbin/init, which is NixOS' second stage. So there is no first stage of NixOS, no boot loader, and nothing to switch to.
{ lib, pkgs, ... }:

{
  boot.initrd.enable = false;
  # nixpkgs of before June 2026 links an initrd into the system even where none is made (NixOS/nixpkgs#517546).
  system.build.initialRamdisk = lib.mkDefault (pkgs.runCommand "no-initrd" { } "mkdir $out; touch $out/initrd");
  system.build.initialRamdiskSecretAppender =
    lib.mkDefault (pkgs.runCommand "no-initrd-secrets" { } "mkdir -p $out/bin; touch $out/bin/append-initrd-secrets");
  boot.loader.grub.enable = false;
  system.switch.enable = false;
  nix.enable = lib.mkDefault false;

  # udev loads the rest: our initramfs has brought the root disk, vsock and the overlay.
  boot.kernelModules = [ "vmw_vsock_virtio_transport" "virtio_rng" ];

  # A guest is booted while somebody waits.
  documentation.enable = lib.mkDefault false;
  systemd.network.wait-online.enable = false;
  # There is one disk with one file system, and nothing to be found on others.
  systemd.generators.systemd-gpt-auto-generator = "/dev/null";

  # A system that is made anew at each boot has no state to be compatible with.
  system.stateVersion = lib.mkDefault lib.trivial.release;
}
