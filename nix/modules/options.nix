# programs.qubes-lite: what can be set. The options of a vm are in vm-options.nix.
{ config, lib, pkgs, ... }:

let
  inherit (lib) literalExpression mkEnableOption mkOption types;
  inherit (import ./option-types.nix { inherit lib; }) ipv4Address;

  cfg = config.programs.qubes-lite;

  vm = types.submodule ./vm-options.nix;
  namedVm = types.submodule [
    ./vm-options.nix
    ({ name, ... }: { config.name = lib.mkDefault name; })
  ];

  # By a guest, too: 127.0.0.53 and the like are this host's own.
  isReachable = address: ipv4Address.check address && !lib.hasPrefix "127." address;

  isOwn = { kernel, initramfs, rootDisk, ... }: kernel != null && initramfs != null && rootDisk != null;
  built = vm: cfg.imageBuilder { inherit (vm) guestConfig; guestPrograms = cfg.guestPrograms ++ vm.guestPrograms; };
  withImage = vm:
    let image = if vm.image != null then vm.image else if isOwn vm then null else built vm;
    in vm // {
      inherit image;
      # What a guest's own configuration says in boot.kernelParams is said by who boots it.
      kernelParams = (if vm.image == null && image != null then image.kernelParams or [ ] else [ ]) ++ vm.kernelParams;
    };

  package = default: text: description: mkOption {
    type = types.package;
    inherit default description;
    defaultText = literalExpression text;
  };
in
{
  options.programs.qubes-lite = {
    enable = mkEnableOption "qubes-lite VM management";

    user = mkOption {
      type = types.str;
      description = "User who owns TAP interfaces and runs VMs.";
    };
    nixosVms = mkOption {
      # Documented as vms by name: an option of either kind has no options of its own.
      type = types.either (types.listOf vm) (types.attrsOf namedVm) // { inherit (types.attrsOf namedVm) getSubOptions; };
      default = [ ];
      description = "The NixOS-based VMs: a list, or an attribute set by their names.";
    };
    guestPrograms = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages included in all VM rootfs images.";
    };

    vmNetwork = mkOption {
      type = types.str;
      default = "172.16.200.0/24";
      description = "Network CIDR for VM networking, A.B.C.0/24.";
    };
    natEnable = mkOption {
      type = types.bool;
      default = false;
      description = "Enable NAT for VM internet access.";
    };
    natInterface = mkOption {
      type = types.str;
      default = "";
      example = "eth0";
      description = "External interface for NAT (required if natEnable).";
    };
    isolate = mkOption {
      type = types.bool;
      default = true;
      description = "Whether VMs reach neither each other nor the services of this host. With false the firewall alone decides.";
    };
    nameServer = mkOption {
      type = types.nullOr ipv4Address;
      default = lib.head (lib.filter isReachable config.networking.nameservers ++ [ null ]);
      defaultText = literalExpression "the first IPv4 address in networking.nameservers that is not this host's own";
      description = "IPv4 address of the name server that guests are told of; with null they use what their image has.";
    };
    disposablePool.ids = mkOption {
      type = types.listOf types.int;
      default = [ ];
      example = [ 101 103 105 ];
      description = "IDs whose TAPs ql-d<id> are for disposable instances of networked VMs.";
    };

    hypervisor = mkOption {
      type = types.enum [ "crosvm" "qemu" ];
      default = "crosvm";
      description = "What runs the VMs that name none of their own.";
    };
    crosvm = {
      package = package pkgs.crosvm "pkgs.crosvm" "The crosvm to run VMs with.";
      extraArgs = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Words for `crosvm run`, of every VM.";
      };
    };
    qemu.package = package pkgs.qemu_kvm "pkgs.qemu_kvm" "The QEMU to run VMs with.";
    vhostDeviceVsock.package =
      package pkgs.vhost-device-vsock "pkgs.vhost-device-vsock" "The vhost-device-vsock that gives VMs their vsock.";
    virtiofsd.package = package pkgs.virtiofsd "pkgs.virtiofsd" "The virtiofsd that serves shared directories.";

    notifications = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the desktop is told of what happens to VMs.";
    };
    desktop = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the programs of VMs get entries in the desktop's menu, by themselves.";
    };

    package = package (pkgs.callPackage ../package.nix { }) "pkgs.qubes-lite" "The qubes-lite to use.";

    imageBuilder = mkOption {
      type = types.functionTo types.package;
      default = pkgs.callPackage ../rootfs-nixos { qubes-lite = cfg.package; };
      defaultText = literalExpression "pkgs.callPackage <qubes-lite/nix/rootfs-nixos> { }";
      internal = true;
      description = "Makes the directory of a guest image from { guestPrograms, guestConfig }.";
    };
    vms = mkOption {
      type = types.listOf types.raw;
      readOnly = true;
      internal = true;
      default = map withImage (lib.sort (a: b: a.id < b.id) (if lib.isList cfg.nixosVms then cfg.nixosVms else lib.attrValues cfg.nixosVms));
      description = "nixosVms in the order of their ids, each with the image that it boots.";
    };
    configFile = mkOption {
      type = types.package;
      readOnly = true;
      description = "The configuration, as /etc/qubes-lite/config.json has it.";
      default = pkgs.writeText "qubes-lite.json" (builtins.toJSON (import ../lib/configuration.nix { inherit cfg lib; }));
      defaultText = literalExpression "made from the options above";
    };
  };
}
