/**
 * The TAPs for NetworkManager: keyfiles (nm-settings-keyfile(5)), which it reads only where nobody else may. Its own way to share
 * a connection hands out addresses by DHCP, for which a /31 has no room: forwarding is switched on by sysctl.d(5), NAT is in our rules.
 */
import { madeByUs, placeAndUse, rulesFile, type TapFormat, toRulesFile, useRules } from "./tap-files.ts";
import { needUid, type PlannedTap, type TapPlan } from "./tap-plan.ts";

const directory = "/etc/NetworkManager/system-connections";
const forwarding = { directory: "/etc/sysctl.d", name: "70-qubes-lite.conf" };

export const networkManager: TapFormat = {
	title: "NetworkManager",
	toFiles(plan) {
		const uid = needUid(plan.owner);
		return [
			...plan.taps.map((tap) => ({
				...{ directory, name: toFileName(tap.name), mode: 0o600 },
				text: formatKeyfile(tap, uid),
			})),
			{ ...forwarding, text: `${madeByUs}net.ipv4.ip_forward = 1\n` },
			toRulesFile(plan),
		];
	},
	toUse: (from) => [
		...useRules(from),
		placeAndUse(from, forwarding.name, forwarding.directory, `sysctl -q -p ${forwarding.directory}/${forwarding.name}`),
		placeAndUse(from, toFileName("ql-*"), directory, "nmcli connection reload"),
	],
	toForget: (plan) => [
		`rm -f ${toPatterns(plan).join(" ")}`,
		...(plan.isWhole ? [forwarding, rulesFile].map((file) => `rm -f ${file.directory}/${file.name}`) : []),
		"nmcli connection reload",
	],
};

const toFileName = (tap: string): string => `${tap}.nmconnection`;

const toPatterns = ({ isWhole, taps }: TapPlan): string[] =>
	(isWhole ? ["ql-*"] : taps.map(({ name }) => name)).map((name) => `${directory}/${toFileName(name)}`);

/** 2 is TAP (NMSettingTunMode). */
const formatKeyfile = ({ name, host }: PlannedTap, uid: number): string => `\
${madeByUs}[connection]
id=${name}
type=tun
interface-name=${name}

[tun]
mode=2
owner=${uid}
vnet-hdr=true

[ipv4]
method=manual
address1=${host}/31
never-default=true

[ipv6]
method=disabled
`;
