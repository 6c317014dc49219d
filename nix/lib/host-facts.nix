# What the units of vms depend on besides the configuration (src/admin/units/host-facts-file.ts), as it will be on the host that is built.
{ lib, cfg }:

let
  inherit (import ./taps.nix { inherit lib cfg; }) taps;
  images = lib.filter ({ image, ... }: image != null) cfg.vms;
in
{
  schema = 1;
  accelerator = "kvm";
  binaries = {
    qemu = "${cfg.qemu.package}/bin/qemu-system-x86_64";
    crosvm = "${cfg.crosvm.package}/bin/crosvm";
    vhostDeviceVsock = "${cfg.vhostDeviceVsock.package}/bin/vhost-device-vsock";
    virtiofsd = "${cfg.virtiofsd.package}/bin/virtiofsd";
  };
  taps = map ({ tap, ... }: tap) taps;
  # The compositor's socket has a name by each login: units take it from the user manager.
  wayland = true;
  # Their manifests are read when the units are made.
  images = lib.listToAttrs (map ({ name, image, ... }: { inherit name; value = "${image}"; }) images);
  shim = "${cfg.package}/lib/qubes-lite/dist/vm-shim.sh";
  remedy = "sudo nixos-rebuild switch";
} // lib.optionalAttrs (cfg.package ? nodejs) {
  # Somebody's own package may not say what it runs on: its vms have no windows by waypipe.
  displayProgram = [ "${cfg.package.nodejs}/bin/node" "${cfg.package}/lib/qubes-lite/dist/vm-display.cjs" ];
} // lib.optionalAttrs (cfg.nameServer != null) {
  inherit (cfg) nameServer;
}
