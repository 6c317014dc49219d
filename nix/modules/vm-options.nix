# The options of one vm, with the names, bounds and defaults that the configuration's JSON has (src/config/schema.ts; a test compares both).
# Ids and names have no bounds here: assertions.nix names all that are wrong at once.
{ lib, ... }:

let
  inherit (lib) mkOption types;
  inherit (import ./option-types.nix { inherit lib; }) absolutePath diskId kernelWord seconds secondsTo tag;

  disk = { readOnly, hasId }: types.addCheck (types.submodule {
    options = {
      path = mkOption {
        type = absolutePath;
        description = "A disk image (raw, or qcow2 by its suffix) or a block device.";
      };
      readOnly = mkOption {
        type = types.bool;
        default = readOnly;
        description = "Whether the guest may only read it.";
      };
    } // lib.optionalAttrs hasId {
      id = mkOption {
        type = types.nullOr diskId;
        default = null;
        description = "The guest finds it as /dev/disk/by-id/virtio-<id>, too; null is disk0, disk1, … by its place.";
      };
    };
    # A path in Nix's own sense would be taken for a module's file.
  }) builtins.isAttrs;

  sharedDirectory = {
    options = {
      tag = mkOption {
        type = tag;
        description = "The guest has it at /mnt/<tag>.";
      };
      path = mkOption {
        type = absolutePath;
        description = "The host's directory.";
      };
      readOnly = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the guest may only read it.";
      };
    };
  };

  program = {
    options = {
      id = mkOption {
        type = types.str;
        description = "Unique in its vm.";
      };
      name = mkOption {
        type = types.str;
        description = "What the menu shows.";
      };
      command = mkOption {
        type = types.listOf types.str;
        description = "The guest's command and its arguments.";
      };
      terminal = mkOption {
        type = types.bool;
        default = false;
        description = "Whether it needs a terminal of the host's.";
      };
      icon = mkOption {
        type = types.nullOr absolutePath;
        default = null;
        description = "The host's .png or .svg of it.";
      };
      categories = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Main categories of the Desktop Menu Specification.";
      };
    };
  };

  shutdownStep = { most, default, description }: mkOption {
    type = types.ints.between 1 most;
    inherit default description;
  };
in
{
  options = {
    id = mkOption {
      type = types.int;
      description = "VM ID (odd number 3-255). Used for IP and vsock CID.";
    };
    name = mkOption {
      type = types.str;
      description = "VM name for scripts and TAP interface.";
    };
    memory = mkOption {
      type = types.ints.between 128 1048576;
      default = 1024;
      description = "Memory of the guest, MiB.";
    };
    memoryMax = mkOption {
      type = types.nullOr (types.ints.between 128 2097152);
      default = null;
      description = "What all processes of the VM on the host may use, MiB: at least 256 more than its memory; null is no limit.";
    };
    cpus = mkOption {
      type = types.ints.between 1 255;
      default = 2;
      description = "Number of virtual CPUs.";
    };
    cpuWeight = mkOption {
      type = types.nullOr (types.ints.between 1 10000);
      default = null;
      description = "Share of the processors under load; null is 100, as everybody has.";
    };
    network = mkOption {
      type = types.bool;
      default = true;
      description = "Enable networking for this VM. Without it the guest has no network interface at all.";
    };
    autoStart = mkOption {
      type = types.bool;
      default = false;
      description = "Automatically start VM with user session (graphical-session.target).";
    };
    preload = mkOption {
      type = types.ints.between 0 8;
      default = 0;
      description = "Disposable instances of it that are kept booted and paused, for whoever asks.";
    };
    color = mkOption {
      type = types.nullOr (types.enum [ "red" "orange" "yellow" "green" "gray" "blue" "purple" "black" ]);
      default = null;
      description = "The colour by which people know it.";
    };

    disposable = mkOption {
      type = types.bool;
      default = false;
      description = "Shut down when its last command ends, and whatever it wrote is gone.";
    };
    idleTimeout = mkOption {
      type = seconds;
      default = 0;
      description = "Seconds without use after which it is stopped; 0 is never.";
    };
    idleAction = mkOption {
      type = types.enum [ "stop" "pause" ];
      default = "stop";
      description = "What idleTimeout leads to. A paused VM keeps its memory and takes no processor time.";
    };
    rebootAction = mkOption {
      type = types.enum [ "stop" "restart" ];
      default = "stop";
      description = "What a reboot of its guest leads to (crosvm only).";
    };
    pauseTimeout = mkOption {
      type = seconds;
      default = 0;
      description = "Seconds that it stays paused until it is stopped; 0 is for ever.";
    };
    maxLifetime = mkOption {
      type = seconds;
      default = 0;
      description = "Seconds that it runs at most, whatever it does; 0 is for ever.";
    };
    bootTimeout = mkOption {
      type = secondsTo 3600;
      default = 60;
      description = "Seconds that a boot may take.";
    };
    shutdown = {
      ask = shutdownStep {
        most = 3600;
        default = 30;
        description = "Seconds for the guest to power off when it is asked to.";
      };
      powerButton = shutdownStep {
        most = 3600;
        default = 10;
        description = "Seconds for it to do so when its power button is pressed.";
      };
      terminate = shutdownStep {
        most = 60;
        default = 5;
        description = "Seconds for the VMM to end after SIGTERM.";
      };
      kill = shutdownStep {
        most = 60;
        default = 10;
        description = "Seconds for it to be gone after SIGKILL.";
      };
    };
    dependsOn = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Names of VMs that are booted before this one, and stay up as long as it does.";
    };

    disks = mkOption {
      type = types.listOf (types.either absolutePath (disk { readOnly = false; hasId = true; }));
      default = [ ];
      example = [ "/dev/mapper/main-dev-home" { path = "/var/lib/music.qcow2"; readOnly = true; } ];
      description = "Additional disk paths (qcow2 or block devices): the guest's vdb, vdc, … in their order.";
    };
    sharedDirectories = mkOption {
      type = types.listOf (types.submodule sharedDirectory);
      default = [ ];
      description = "Directories of the host that the guest has as well, by virtiofs.";
    };
    rootDisk = mkOption {
      type = types.nullOr (types.either absolutePath (disk { readOnly = true; hasId = false; }));
      default = null;
      description = "In the place of the image's root disk.";
    };
    kernel = mkOption {
      type = types.nullOr absolutePath;
      default = null;
      description = "In the place of the image's kernel.";
    };
    initramfs = mkOption {
      type = types.nullOr absolutePath;
      default = null;
      description = "In the place of the image's initramfs.";
    };
    kernelParams = mkOption {
      type = types.listOf kernelWord;
      default = [ ];
      example = [ "quiet" ];
      description = "Words for the guest's kernel command line, behind those that the broker sets.";
    };

    hypervisor = mkOption {
      type = types.nullOr (types.enum [ "crosvm" "qemu" ]);
      default = null;
      description = "Null is programs.qubes-lite.hypervisor.";
    };
    gpu = mkOption {
      type = types.enum [ "auto" "none" "cross-domain" "virgl" ];
      default = "auto";
      description = ''By which the guest's windows reach the host's compositor: "auto" is cross-domain on crosvm; virgl also draws with the host's GPU.'';
    };
    display = mkOption {
      type = types.enum [ "auto" "virtwl" "waypipe" "none" ];
      default = "auto";
      description = ''How its programs' windows come to the host's compositor: "auto" is what its image is made for.'';
    };
    sound = mkOption {
      type = types.enum [ "none" "playback" "playback+capture" ];
      default = "playback";
      description = ''What its programs may do with the host's sound: nothing, be heard, or also hear.'';
    };
    crosvm = {
      extraArgs = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Words for `crosvm run`, behind those of programs.qubes-lite.crosvm.extraArgs.";
      };
      sandbox = mkOption {
        type = types.bool;
        default = true;
        description = "Whether each device is in a process of its own, which sees nothing but what it needs.";
      };
    };

    guestPrograms = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "VM-specific packages.";
    };
    guestConfig = mkOption {
      type = types.deferredModule;
      default = { };
      description = "VM-specific NixOS configuration: attributes, a function of { pkgs, … }, or a file. It goes into the image, which every user of the host can read.";
    };
    image = mkOption {
      type = types.nullOr (types.either absolutePath types.package);
      default = null;
      description = "Another guest image than the one that is built of guestPrograms and guestConfig: a package, or a path in one, since the VM's unit is made of it when the system is built.";
    };
    programs = mkOption {
      type = types.listOf (types.submodule program);
      default = [ ];
      description = "Programs of the guest that the host's menu shows besides those that the guest reports.";
    };
    open = mkOption {
      type = types.listOf types.str;
      default = [ "xdg-open" ];
      description = "The guest's command that opens what is named behind it.";
    };
  };
}
