# Gives the vms of qubes-lite their TAPs on this host, with NAT. For root's shell: qubes-lite host tap --print | sudo sh
# Nothing of it outlives a boot of this host. To be run again then, and when the configuration has changed: what is right
# stays as it is, and a vm that runs gets its TAP when it boots the next time.
# qubes-lite host tap --print --undo | sudo sh   takes it away again; --format=networkd and --format=networkmanager make it last.
#
# A vm reaches what is behind wlan0, the local network there included, and nothing behind other interfaces.
# It is seen there with this host's address. Nobody there reaches the vm; this host does.
# Of this host itself a vm reaches no service, by none of its addresses; its gateway answers pings. No vm reaches another.
# What another firewall (firewalld, ufw, Docker's) drops stays dropped: it has to let ql-* through as well.
(
say() { echo "qubes-lite: $*" >&2; }
fail() { say "$*"; exit 1; }
PATH=$PATH:/usr/sbin:/sbin
failed=0
remove() {
  # Refused while somebody has it open, and for what is no TAP.
  ip tuntap del dev "$1" mode tap 2>/dev/null && return
  say "$1 stays as it is: a vm uses it, or it is no TAP. Stop that vm, or remove it (ip link delete dev $1), and run this again"
  failed=1
}
is_right() {
  place=/sys/class/net/$1
  # IFF_TAP and IFF_PERSIST, not IFF_MULTI_QUEUE.
  [ -e "$place/tun_flags" ] && [ $(($(cat "$place/tun_flags") & 0x902)) = $((0x802)) ] &&
    [ "$(cat "$place/owner")" = "$owner" ] && [ "$(cat "$place/group")" = -1 ]
}
tap() {
  if [ -e "/sys/class/net/$1" ] && ! is_right "$1"; then
    remove "$1"
    [ ! -e "/sys/class/net/$1" ] || return
  fi
  [ -e "/sys/class/net/$1" ] || ip tuntap add dev "$1" mode tap user "$owner" vnet_hdr || { failed=1; return; }
  # vms have IPv4 only.
  [ ! -e "/proc/sys/net/ipv6/conf/$1" ] || sysctl -q -w "net.ipv6.conf.$1.disable_ipv6=1"
  ip -4 -o address show dev "$1" | while read -r _ _ _ has _; do
    [ "$has" = "$2" ] || ip address delete "$has" dev "$1"
  done
  ip address replace "$2" dev "$1" && ip link set dev "$1" up || failed=1
}
[ "$(id -u)" = 0 ] || fail "this is for root: pipe it to sudo sh"
for program in ip nft sysctl; do
  command -v "$program" >/dev/null || fail "there is no $program here: it comes with the package iproute2, nftables or procps"
done
owner=1000

# The rules come first: there is no moment without them.
was=$(cat /proc/sys/net/ipv4/ip_forward)
! nft list chain inet qubes-lite forwarding-was-off >/dev/null 2>&1 || was=0
nft -f - <<'END' || fail "nft has refused the rules, and nothing has been changed"
table inet qubes-lite
delete table inet qubes-lite
table inet qubes-lite {
  set vms {
    type ifname . ipv4_addr
    elements = {
      "ql-shopping" . 10.1.2.5,
      "ql-disp" . 10.1.2.15,
      "ql-d101" . 10.1.2.101,
      "ql-d103" . 10.1.2.103,
      "ql-d105" . 10.1.2.105,
      "ql-d107" . 10.1.2.107,
      "ql-a-z-09-a-z-0" . 10.1.2.255
    }
  }
  set addresses {
    type ipv4_addr
    elements = {
      10.1.2.5,
      10.1.2.15,
      10.1.2.101,
      10.1.2.103,
      10.1.2.105,
      10.1.2.107,
      10.1.2.255
    }
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname . ip saddr @vms ct state established,related accept
    iifname . ip saddr @vms icmp type echo-request accept
    iifname "ql-*" drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "ql-*" oifname "ql-*" drop
    iifname . ip saddr @vms oifname "wlan0" accept
    iifname "ql-*" drop
    oifname "ql-*" ct state established,related accept
    oifname "ql-*" drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @addresses oifname "wlan0" masquerade
  }
}
END
[ "$was" = 1 ] || nft add chain inet qubes-lite forwarding-was-off || exit
sysctl -q -w net.ipv4.ip_forward=1 || exit

tap ql-shopping 10.1.2.4/31
exit "$failed"
)
