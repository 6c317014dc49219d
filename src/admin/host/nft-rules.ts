/**
 * The rules of nftables for vms on TAPs, in one table of ours: what vms reach, and who reaches them.
 *
 * NAT names no interface unless one is asked for: what comes from a vm's address and goes anywhere but to another vm is
 * masqueraded. A laptop's way out changes from Wi-Fi to cable to VPN, and the name that was right when the commands were printed
 * is wrong at the next network. Who wants one way out and no other names it.
 *
 * Beyond NAT and forwarding, guests are denied the services of this host, by whichever of its addresses, and each other: they
 * are hostile, and of what listens here much trusts its local network. A packet counts as a vm's by TAP and address together.
 *
 * Written for nft 1.0 (Debian 12) and Linux 5.2, the first with NAT in the inet family.
 */
import type { TapPlan } from "./tap-plan.ts";

export const table = "inet qubes-lite";

/** Where a chain is called from. */
const hooks = {
	input: "type filter hook input priority filter; policy accept;",
	forward: "type filter hook forward priority filter; policy accept;",
	postrouting: "type nat hook postrouting priority srcnat; policy accept;",
};

type Chain = keyof typeof hooks;
const chains = Object.keys(hooks) as Chain[];

type Reach = Pick<TapPlan, "outside">;

/** What the rules come to, in lines for a comment. */
export const describeReach = ({ outside }: Reach): readonly string[] => [
	outside === null
		? "A vm reaches all that this host's routes lead to: the Internet, the local network, VPNs, containers."
		: `A vm reaches what is behind ${outside}, the local network there included, and nothing behind other interfaces.`,
	"It is seen there with this host's address. Nobody there reaches the vm; this host does.",
	"Of this host itself a vm reaches no service, by none of its addresses; its gateway answers pings. No vm reaches another.",
	"What another firewall (firewalld, ufw, Docker's) drops stays dropped: it has to let ql-* through as well.",
];

const toRules = ({ outside }: Reach): Readonly<Record<Chain, readonly string[]>> => {
	const out = outside === null ? 'oifname != "ql-*"' : `oifname "${outside}"`;
	return {
		input: [
			"iifname . ip saddr @vms ct state established,related accept",
			"iifname . ip saddr @vms icmp type echo-request accept",
			'iifname "ql-*" drop',
		],
		forward: [
			'iifname "ql-*" oifname "ql-*" drop',
			`iifname . ip saddr @vms ${out} accept`,
			'iifname "ql-*" drop',
			'oifname "ql-*" ct state established,related accept',
			'oifname "ql-*" drop',
		],
		postrouting: [`ip saddr @addresses ${out} masquerade`],
	};
};

/** For `nft -f`: of all vms, loaded as a whole or not at all, and in the place of what was loaded before. */
export function formatNftRules(plan: Pick<TapPlan, "configured" | "outside">): string {
	const rules = toRules(plan);
	const vms = plan.configured.map(({ name, guest }) => `"${name}" . ${guest}`);
	const addresses = plan.configured.map(({ guest }) => guest);
	return [
		// What is deleted must be there.
		`table ${table}`,
		`delete table ${table}`,
		`table ${table} {`,
		...toSet("vms", "ifname . ipv4_addr", vms),
		...toSet("addresses", "ipv4_addr", addresses),
		...chains.flatMap((chain) => [
			`  chain ${chain} {`,
			...[hooks[chain], ...rules[chain]].map((line) => `    ${line}`),
			"  }",
		]),
		"}",
		"",
	].join("\n");
}

function toSet(name: string, type: string, elements: readonly string[]): string[] {
	// nft takes no empty list.
	const list = elements.length === 0 ? [] : ["    elements = {", `      ${elements.join(",\n      ")}`, "    }"];
	return [`  set ${name} {`, `    type ${type}`, ...list, "  }"];
}
