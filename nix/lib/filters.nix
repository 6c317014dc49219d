# Rules of nftables between vms and the rest, as src/admin/host/nft-rules.ts formats them; NAT is networking.nat's.
{ lib, outside, vms }:

let
  out = if outside == null then ''oifname != "ql-*"'' else ''oifname "${outside}"'';

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
      "iifname . ip saddr @vms ${out} accept"
      ''iifname "ql-*" drop''
      ''oifname "ql-*" ct state established,related accept''
      ''oifname "ql-*" drop''
    ];
  };

  toChain = name: [ "  chain ${name} {" ] ++ map (line: "    ${line}") chains.${name} ++ [ "  }" ];
  elements = lib.concatStringsSep ",\n      " (map ({ tap, guest, ... }: ''"${tap}" . ${guest}'') vms);
in
lib.concatStringsSep "\n" (
  [
    # What is deleted must be there.
    "table inet qubes-lite"
    "delete table inet qubes-lite"
    "table inet qubes-lite {"
    "  set vms {"
    "    type ifname . ipv4_addr"
  ]
  # nft takes no empty list.
  ++ lib.optionals (vms != [ ]) [ "    elements = {" "      ${elements}" "    }" ]
  ++ [ "  }" ]
  ++ toChain "input"
  ++ toChain "forward"
  ++ [ "}" "" ]
)
