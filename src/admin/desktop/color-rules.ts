/** `qubes-lite desktop colors`: lines for sway's configuration, by which it paints the titles of vms' windows in their vms' colours. */
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { findConfig } from "../../config/find-config.ts";
import type { VmColor } from "../../protocol/colors.ts";
import { say } from "./sync.ts";

/** Behind the title, and the title itself: to be read on either kind of bar. */
const paints: Readonly<Record<VmColor, readonly [background: string, text: string]>> = {
	red: ["#cc0000", "#ffffff"],
	orange: ["#f57900", "#000000"],
	yellow: ["#edd400", "#000000"],
	green: ["#2e8b57", "#ffffff"],
	gray: ["#888a85", "#ffffff"],
	blue: ["#3465a4", "#ffffff"],
	purple: ["#75507b", "#ffffff"],
	black: ["#000000", "#ffffff"],
};

/** Resolves with 0. */
export async function printColorRules(words: readonly string[]): Promise<number> {
	parseCommand("desktop colors", words);
	const { config } = await findConfig(process.env);
	const rules = config.vms.flatMap(({ name, color, disposable }) =>
		color === undefined ? [] : toRules(name, color, disposable),
	);
	if (rules.length === 0) say('no vm has a "color" in the configuration');
	process.stdout.write(rules.map((rule) => `${rule}\n`).join(""));
	return 0;
}

/** Names have no character that means anything to sway or a regular expression. Of instances only their name is known. */
function toRules(vm: string, color: VmColor, isDisposable: boolean): string[] {
	const [background, text] = paints[color];
	const names = isDisposable ? `(${vm}|disp-[0-9a-f]{4})` : vm;
	const format = `<span background='${background}' foreground='${text}'> %title </span>`;
	return [`for_window [app_id="^qubes-lite\\.${names}\\."] title_format "${format}"`];
}
