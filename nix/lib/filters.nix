# Rules of nftables between vms and the rest, as src/admin/host/nft-rules.ts formats them, without what is around a table; NAT is networking.nat's.
# `outside`: the interface by which vms reach it; null: they reach nothing but this host's answers.
{ lib, outside, vms }:

let
  chains = {
    input = [
      "type filter hook input priority filter; policy accept;"
      "iifname . ip saddr @vms ct state established,related accept"
      "iifname . ip saddr @vms icmp type echo-request accept"
      ''iifname "ql-*" drop''
    ];
    forward = [
      "type filter hook forward priority filter; policy accept;"
      ''iifname "ql-*" oifname "ql-*" drop''
    ] ++ lib.optional (outside != null) ''iifname . ip saddr @vms oifname "${outside}" accept'' ++ [
      ''iifname "ql-*" drop''
      ''oifname "ql-*" ct state established,related accept''
      ''oifname "ql-*" drop''
    ];
  };

  toChain = name: [ "  chain ${name} {" ] ++ map (line: "    ${line}") chains.${name} ++ [ "  }" ];
  elements = lib.concatStringsSep ",\n      " (map ({ tap, guest, ... }: ''"${tap}" . ${guest}'') vms);
in
lib.concatMapStringsSep "" (line: "${line}\n") (
  [ "  set vms {" "    type ifname . ipv4_addr" ]
  # nft takes no empty list.
  ++ lib.optionals (vms != [ ]) [ "    elements = {" "      ${elements}" "    }" ]
  ++ [ "  }" ]
  ++ toChain "input"
  ++ toChain "forward"
)
