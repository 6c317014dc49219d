# The configuration as the broker reads it (src/config/schema.ts), from the module's own: every key that has a value is there, so nothing
# depends on what the broker takes for its default.
{ lib, cfg }:

let
  set = lib.filterAttrs (_: value: value != null);
  toDisk = disk: if builtins.isAttrs disk then set disk else disk;

  toVm = vm: set {
    inherit (vm)
      id name memory memoryMax cpus cpuWeight network autoStart preload color
      disposable idleTimeout idleAction rebootAction pauseTimeout maxLifetime bootTimeout shutdown dependsOn
      sharedDirectories kernel initramfs kernelParams gpu crosvm open;
    hypervisor = if vm.hypervisor == null then cfg.hypervisor else vm.hypervisor;
    disks = map toDisk vm.disks;
    rootDisk = if vm.rootDisk == null then null else toDisk vm.rootDisk;
    programs = map set vm.programs;
    image = if vm.image == null then null else "${vm.image}";
  };
in
{
  version = 1;
  inherit (cfg) user vmNetwork notifications desktop hypervisor;
  crosvm = {
    binary = "${cfg.crosvm.package}/bin/crosvm";
    inherit (cfg.crosvm) extraArgs;
  };
  vms = map toVm cfg.vms;
} // lib.optionalAttrs (cfg.disposablePool.ids != [ ]) {
  inherit (cfg) disposablePool;
}
