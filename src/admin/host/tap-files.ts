/** Files for the program that manages a host's network, which makes the TAPs from them at each boot. */
import { describeReach, formatNftRules } from "./nft-rules.ts";
import type { TapPlan } from "./tap-plan.ts";

export interface TapFile {
	readonly name: string;
	/** Where it belongs. */
	readonly directory: string;
	readonly text: string;
	/** 0o644 if absent. */
	readonly mode?: number;
}

/** How the files of one such program are made, brought into effect, and done away with. */
export interface TapFormat {
	/** For a comment: what it is for. */
	readonly title: string;
	/** Throws BadRequest where the owner can't be named to it. */
	toFiles(plan: TapPlan): TapFile[];
	/** Lines for root's shell, whose word for a directory `from` is, that put the files there into their places and use them. */
	toUse(from: string): readonly string[];
	/** Lines that remove them, those of the plan or, of a whole plan, all, and make the program forget them. */
	toForget(plan: TapPlan): readonly string[];
}

/** The first line of each. */
export const madeByUs = "# Made by: qubes-lite host tap --print\n";

export const rulesFile = { name: "qubes-lite.nft", directory: "/etc" };

/** Neither networkd nor NetworkManager keeps vms from each other and from this host. */
export const toRulesFile = (plan: TapPlan): TapFile => ({
	...rulesFile,
	text: `${madeByUs}${formatComment(describeReach(plan))}${formatNftRules(plan)}`,
});

/** Puts the files `names` of `from` into `directory`, if that is another, and does what uses them. */
export const placeAndUse = (from: string, names: string, directory: string, use: string): string =>
	from === directory ? use : `cp ${from}/${names} ${directory}/ && ${use}`;

/** A star, as nftables.conf may name what is not there only by one. */
export const useRules = (from: string): readonly string[] => [
	placeAndUse(from, rulesFile.name, rulesFile.directory, `nft -f ${rulesFile.directory}/${rulesFile.name}`),
	`grep -qs qubes-lite /etc/nftables.conf || echo 'include "/etc/qubes-lite*.nft"' >>/etc/nftables.conf`,
	"systemctl enable nftables   # it loads /etc/nftables.conf at boot",
];

export const nothingNeeded = "A vm without a network needs nothing of this host.";

export const formatComment = (lines: readonly string[]): string =>
	lines.map((line) => `${`# ${line}`.trimEnd()}\n`).join("");

/** All in one text, each below its path. */
export const formatTapFiles = (files: readonly TapFile[]): string =>
	files.map(({ directory, name, text }) => `\n# ${directory}/${name}\n${text}`).join("");
