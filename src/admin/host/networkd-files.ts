/**
 * The TAPs for systemd-networkd, from 252 on: systemd.netdev(5), systemd.network(5). IPMasquerade= brings IP forwarding with it in
 * all of them, where IPForward= would be complained of since 256. It masquerades the addresses of the link: the vm's, and its gateway's.
 */
import { madeByUs, placeAndUse, rulesFile, type TapFormat, toRulesFile, useRules } from "./tap-files.ts";
import { needUid, type PlannedTap, type TapOwner, type TapPlan } from "./tap-plan.ts";

const directory = "/etc/systemd/network";

/** Before the 80 of systemd's own files. */
const toFileName = (tap: string): string => `70-${tap}`;

export const networkd: TapFormat = {
	title: "systemd-networkd (252 or newer)",
	toFiles(plan) {
		const user = toUser(plan.owner);
		const files = plan.taps.flatMap((tap) => [
			{ directory, name: `${toFileName(tap.name)}.netdev`, text: formatNetdev(tap, user) },
			{ directory, name: `${toFileName(tap.name)}.network`, text: formatNetwork(tap) },
		]);
		return [...files, toRulesFile(plan)];
	},
	toUse: (from) => [...useRules(from), placeAndUse(from, `${toFileName("ql-*")}.*`, directory, "networkctl reload")],
	toForget: (plan) => [
		`rm -f ${toPatterns(plan).join(" ")}`,
		...(plan.isWhole ? [`rm -f ${rulesFile.directory}/${rulesFile.name}`] : []),
		"networkctl reload",
	],
};

const toPatterns = ({ isWhole, taps }: TapPlan): string[] =>
	(isWhole ? ["ql-*"] : taps.map(({ name }) => name)).flatMap((name) =>
		["netdev", "network"].map((suffix) => `${directory}/${toFileName(name)}.${suffix}`),
	);

/** A name that means nothing to the syntax of these files; else the number, which is as good to it. */
function toUser(owner: TapOwner): string {
	if (owner.name !== null && /^[a-z_][\w.-]*$/i.test(owner.name)) return owner.name;
	return String(needUid(owner));
}

const formatNetdev = ({ name }: PlannedTap, user: string): string => `\
${madeByUs}[NetDev]
Name=${name}
Kind=tap

[Tap]
User=${user}
VNetHeader=yes
`;

/** Without a vm at its other end a TAP has no carrier, and nobody is to wait for one. */
const formatNetwork = ({ name, host }: PlannedTap): string => `\
${madeByUs}[Match]
Name=${name}

[Link]
RequiredForOnline=no

[Network]
Address=${host}/31
IPMasquerade=ipv4
ConfigureWithoutCarrier=yes
LinkLocalAddressing=no
IPv6AcceptRA=no
LLDP=no
`;
