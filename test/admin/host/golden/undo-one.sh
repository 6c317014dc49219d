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
[ ! -e /sys/class/net/ql-shopping ] || remove ql-shopping
exit "$failed"
)
