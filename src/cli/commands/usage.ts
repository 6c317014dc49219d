/** The pieces of a help text: command lines and options. */
import { type DocumentedOption, otherNamesOf, spellBoth } from "./command.ts";

/** "usage: " and whole command lines below each other. */
export const formatUsages = (usages: readonly string[]): string =>
	usages.map((usage, index) => `${index === 0 ? "usage: " : "       "}${usage}\n`).join("");

/** All in one column, below the headings of their groups. */
export function formatOptions(options: readonly DocumentedOption[]): string {
	const width = Math.max(...options.map((option) => spellBoth(option).length));
	let text = "";
	let group: string | undefined;
	for (const option of options) {
		if (option.group !== group) text += `${text === "" ? "" : "\n"}${option.group}\n`;
		group = option.group;
		text += `  ${spellBoth(option).padEnd(width)}  ${option.help}${formatOthers(otherNamesOf(option))}\n`;
	}
	return text;
}

const formatOthers = (names: readonly string[]): string => (names.length === 0 ? "" : ` (also: ${names.join(", ")})`);
