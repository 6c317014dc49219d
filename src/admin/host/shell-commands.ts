/**
 * What prepares a host, and what takes that away again, as a script for root's sh. All of it stands in one pair of parentheses, so
 * that a script that was cut off does nothing, and one that is pasted leaves the shell as it was; it has no tabs, which a shell
 * at a terminal takes for the key.
 */
import { shellWord } from "../../shell-word.ts";
import { describeReach, formatNftRules, table } from "./nft-rules.ts";
import { formatComment, nothingNeeded } from "./tap-files.ts";
import type { PlannedTap, TapOwner, TapPlan } from "./tap-plan.ts";

const command = "qubes-lite host tap --print";

/** A chain without rules, which marks that forwarding was off before: it is there for as long as our rules are, and no longer. */
const mark = `chain ${table} forwarding-was-off`;

/** The interfaces' own files say what they are: linux/if_tun.h has the flags, tun_not_capable() in Linux's tun.c who may open them. */
const functions = `\
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
`;

const tapFunction = `\
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
`;

/** Makes what is missing, sets right what is not, and, of a whole plan, removes what is too many. Safe to run again. */
export function formatPrepare(plan: TapPlan): string {
	if (plan.taps.length === 0) return plan.isWhole ? formatUndo(plan) : formatComment([nothingNeeded]);
	const head = [
		`Gives the vms of qubes-lite their TAPs on this host, with NAT. For root's shell: ${command} | sudo sh`,
		"Nothing of it outlives a boot of this host. To be run again then, and when the configuration has changed: what is right",
		"stays as it is, and a vm that runs gets its TAP when it boots the next time.",
		`${command} --undo | sudo sh   takes it away again; --format=networkd and --format=networkmanager make it last.`,
		"",
		...describeReach(plan),
	];
	return `${formatComment(head)}(
${functions}${tapFunction}${formatNeeds(["ip", "nft", "sysctl"])}${formatOwner(plan.owner)}
# The rules come first: there is no moment without them.
was=$(cat /proc/sys/net/ipv4/ip_forward)
! nft list ${mark} >/dev/null 2>&1 || was=0
nft -f - <<'END' || fail "nft has refused the rules, and nothing has been changed"
${formatNftRules(plan)}END
[ "$was" = 1 ] || nft add ${mark} || exit
sysctl -q -w net.ipv4.ip_forward=1 || exit
${plan.isWhole ? `\n# TAPs of this owner's that are no longer configured.\n${formatOthers(plan.taps)}` : ""}
${plan.taps.map(({ name, host }) => `tap ${name} ${host}/31\n`).join("")}exit "$failed"
)
`;
}

/**
 * Takes away what formatPrepare() makes: of a whole plan all TAPs of its owner, the rules, and forwarding where that was off before.
 * `first` are lines for what would make the TAPs again.
 */
export function formatUndo(plan: TapPlan, first: readonly string[] = []): string {
	const named = plan.taps.map(({ name }) => `[ ! -e /sys/class/net/${name} ] || remove ${name}\n`);
	const work = plan.isWhole ? `${formatOwner(plan.owner)}${formatOthers([])}${undoRules}` : named.join("");
	return `${formatComment(["Takes away what qubes-lite host tap --print has prepared. For root's shell."])}(
${functions}${formatNeeds(["ip"])}${first.map((line) => `${line}\n`).join("")}${work}exit "$failed"
)
`;
}

const undoRules = `\
# Without the rules a vm that still runs would reach this host's services.
[ "$failed" = 0 ] || exit
if nft list table ${table} >/dev/null 2>&1; then
  if nft list ${mark} >/dev/null 2>&1; then
    sysctl -q -w net.ipv4.ip_forward=0 && say "net.ipv4.ip_forward is 0 again, as it was before"
  fi
  nft delete table ${table} || failed=1
fi
`;

const formatNeeds = (programs: readonly string[]): string => `\
[ "$(id -u)" = 0 ] || fail "this is for root: pipe it to sudo sh"
for program in ${programs.join(" ")}; do
  command -v "$program" >/dev/null || fail "there is no $program here: it comes with the package iproute2, nftables or procps"
done
`;

/** A user by name may be one of another host: who that is there, only its shell knows. */
const formatOwner = ({ name, uid }: TapOwner): string =>
	name === null
		? `owner=${uid}\n`
		: `owner=$(id -u -- ${shellWord(name)}) || fail 'the owner of the TAPs ("user" in the configuration) is no user here'\n`;

/** A terminal takes lines of 4095 bytes at most (N_TTY_BUF_SIZE in Linux's n_tty.c), and there may be 126 TAPs. */
const namesInLine = 6;

/** Removes the owner's TAPs that are named like ours, but for those in `kept`. */
function formatOthers(kept: readonly PlannedTap[]): string {
	const names = kept.map(({ name }) => name);
	const lines = names.flatMap((_, at) => (at % namesInLine === 0 ? [names.slice(at, at + namesInLine)] : []));
	return `\
for place in /sys/class/net/ql-*; do
${lines.map((some) => `  case \${place##*/} in ${some.join(" | ")}) continue ;; esac\n`).join("")}\
  [ "$(cat "$place/owner" 2>/dev/null)" != "$owner" ] || remove "\${place##*/}"
done
`;
}
