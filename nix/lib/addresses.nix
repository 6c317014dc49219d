# What follows from a vm's id and name, as src/config/addresses.ts has it.
let
  inherit (builtins) elemAt fromJSON head match;
in
rec {
  # "A.B.C" of an IPv4 network "A.B.C.0/24" that hosts can be in, else null. Ids are the last byte, hence /24.
  toBase = network:
    let
      octet = "(0|[1-9][0-9]{0,2})";
      found = match "(${octet}\\.${octet}\\.${octet})\\.0/24" network;
      octets = map (index: fromJSON (elemAt found index)) [ 1 2 3 ];
      first = head octets;
      canHaveHosts = first > 0 && first < 224 && first != 127;
    in
    if found != null && builtins.all (one: one <= 255) octets && canHaveHosts then head found else null;

  toGuest = base: id: "${base}.${toString id}";

  # The host's end of the /31 link (RFC 3021), the guest's gateway.
  toHost = base: id: "${base}.${toString (id - 1)}";

  prefixLength = 31;

  toVmTap = name: "ql-${name}";

  # Of disposablePool, by the id whose address it has.
  toPoolTap = id: "ql-d${toString id}";

  isId = id: id >= 3 && id <= 255 && id == (id / 2) * 2 + 1;

  # The TAP's name has at most 15 bytes (IFNAMSIZ, netdevice(7)).
  isName = name: match "[a-z][a-z0-9-]{0,11}" name != null;

  # Of the broker's own unit, and of instances of disposables.
  isReserved = name: name == "broker" || match "disp-[0-9a-f]{4}" name != null;
}
