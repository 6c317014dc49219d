# What can be wrong with the vms together, or with one in a way that its type does not know: all of it in one evaluation, each with what it is.
{ config, lib, ... }:

let
  inherit (builtins) toJSON;
  inherit (lib) any concatMapStringsSep concatStringsSep count elem filter unique;
  inherit (import ../lib/addresses.nix) isId isName isReserved toBase toPoolTap toVmTap;

  cfg = config.programs.qubes-lite;
  vms = cfg.vms;
  ids = map ({ id, ... }: id) vms;
  names = map ({ name, ... }: name) vms;
  pool = cfg.disposablePool.ids;

  repeatedIn = list: unique (filter (one: count (other: other == one) list > 1) list);
  commas = f: concatMapStringsSep ", " f;
  # Holds where `wrong` is empty.
  none = wrong: message: {
    assertion = wrong == [ ];
    message = "programs.qubes-lite.${message}";
  };

  badIds = filter ({ id, ... }: !isId id) vms;
  badNames = filter (name: !isName name) names;
  reservedNames = filter isReserved names;
  unknownNeeds = lib.concatMap ({ name, dependsOn, ... }: map (needed: { inherit name needed; }) (filter (needed: !elem needed names) dependsOn)) vms;
  badPoolIds = filter (id: !isId id) pool;
  takenPoolIds = unique (filter (id: elem id ids) pool);
  poolNames = filter (name: any (id: toPoolTap id == toVmTap name) pool) names;
  starved = filter ({ memory, memoryMax, ... }: memoryMax != null && memoryMax < memory + 256) vms;
  strangeImages = filter ({ image, ... }: image != null && !lib.isDerivation image && !builtins.hasContext image) vms;
  lasting = filter (vm: vm.disposable && (vm.idleAction != "stop" || vm.rebootAction != "stop")) vms;
in
{
  assertions = lib.optionals cfg.enable [
    (none badIds "nixosVms: VM IDs must be odd numbers from 3 to 255; got ${commas ({ id, name, ... }: "${toString id} (${name})") badIds}.")
    (none (repeatedIn ids) "nixosVms: VM IDs must be unique; duplicated: ${commas toString (repeatedIn ids)}.")
    (none (repeatedIn names) "nixosVms: VM names must be unique; duplicated: ${concatStringsSep ", " (repeatedIn names)}.")
    (none badNames "nixosVms: VM names must match [a-z][a-z0-9-]* and be at most 12 characters (the TAP interface ql-<name> may have 15); got ${commas toJSON badNames}.")
    (none reservedNames "nixosVms: VM names broker and disp-<4 hexadecimal digits> are kept for qubes-lite itself; got ${commas toJSON reservedNames}.")
    (none unknownNeeds "nixosVms: dependsOn names VMs of nixosVms; got ${commas ({ name, needed }: "${toJSON needed} (${name})") unknownNeeds}.")
    (none starved "nixosVms: memoryMax must be at least memory and 256 MiB for the VMM itself; got ${commas ({ name, memory, memoryMax, ... }: "${toString memoryMax} for ${toString memory} (${name})") starved}.")
    (none lasting "nixosVms: idleAction and rebootAction of a disposable VM are \"stop\": it is shut down when its last command ends; got ${commas ({ name, ... }: name) lasting}.")
    (none strangeImages "nixosVms: image must be a package, or a path in one, such as \"${"$"}{pkgs.my-image}/image\"; got ${commas ({ name, image, ... }: "${toJSON image} (${name})") strangeImages}.")
    (none badPoolIds "disposablePool.ids must be odd numbers from 3 to 255; got ${commas toString badPoolIds}.")
    (none (repeatedIn pool) "disposablePool.ids must be unique; duplicated: ${commas toString (repeatedIn pool)}.")
    (none takenPoolIds "disposablePool.ids must be none of a VM; got ${commas toString takenPoolIds}.")
    (none poolNames "nixosVms: the TAP interface of a VM may be none of disposablePool's; got ${commas toJSON poolNames}.")
    {
      assertion = toBase cfg.vmNetwork != null;
      message = "programs.qubes-lite.vmNetwork must be an IPv4 network of the form A.B.C.0/24; got ${toJSON cfg.vmNetwork}.";
    }
    {
      assertion = !cfg.natEnable || cfg.natInterface != "";
      message = "programs.qubes-lite.natInterface must be set when programs.qubes-lite.natEnable is true.";
    }
    {
      assertion = cfg.user != "root";
      message = "programs.qubes-lite.user must not be root.";
    }
  ];

  warnings = lib.optional (cfg.enable && cfg.natEnable && !any ({ network, ... }: network) vms)
    "programs.qubes-lite.natEnable is true but no VM has network = true.";
}
