# Takes away what qubes-lite host tap --print has prepared. For root's shell.
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
[ "$(id -u)" = 0 ] || fail "this is for root: pipe it to sudo sh"
for program in ip; do
  command -v "$program" >/dev/null || fail "there is no $program here: it comes with the package iproute2, nftables or procps"
done
owner=$(id -u -- alice) || fail 'the owner of the TAPs ("user" in the configuration) is no user here'
for place in /sys/class/net/ql-*; do
  [ "$(cat "$place/owner" 2>/dev/null)" != "$owner" ] || remove "${place##*/}"
done
# Without the rules a vm that still runs would reach this host's services.
[ "$failed" = 0 ] || exit
if nft list table inet qubes-lite >/dev/null 2>&1; then
  if nft list chain inet qubes-lite forwarding-was-off >/dev/null 2>&1; then
    sysctl -q -w net.ipv4.ip_forward=0 && say "net.ipv4.ip_forward is 0 again, as it was before"
  fi
  nft delete table inet qubes-lite || failed=1
fi
exit "$failed"
)
