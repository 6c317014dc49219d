/**
 * What a command line may say, as data: parsing, help, completion and man pages are made from it, so that none of them
 * knows an option that another does not.
 */
import type { Option, Pointers } from "../options.ts";

/** What a shell offers in the place of a value; a place is a file here, or "VM:". */
export type Completes = "vm" | "image" | "file" | "directory" | "command" | "place";

export interface DocumentedOption extends Option {
	/** A phrase without a full stop. */
	readonly help: string;
	/** What stands for its value: "S" in `--timeout S`. */
	readonly arg?: string;
	/** The only values that it may have. */
	readonly words?: readonly string[];
	readonly completes?: Completes;
	/** The heading below which it is listed. */
	readonly group?: string;
	/** The command does not work without it. */
	readonly isRequired?: true;
}

/** A word that is no option. */
export interface Operand {
	/** "VM" */
	readonly name: string;
	readonly least: 0 | 1;
	/** Infinity: any number. */
	readonly most: number;
	/** What is asked where it is missing: "which VM?" */
	readonly missing: string;
	/** What shows which there are; without it the command's help is named. */
	readonly listedBy?: string;
	readonly words?: readonly string[];
	readonly completes?: Completes;
	/** Only the first of several is of this kind; of the others no shell knows what may stand there. */
	readonly isFirstOnly?: true;
}

export interface Command {
	/** One line for the list of all commands: a phrase without a full stop. */
	readonly help: string;
	/** What else a user of this command may want to know: sentences. */
	readonly more?: string;
	readonly options: Readonly<Record<string, DocumentedOption>>;
	readonly operand?: Operand;
	/** It runs a command line, which stands behind --; what is asked where there is none. */
	readonly commandMissing?: string;
	/** Options that it has not, and what helps instead. */
	readonly pointers?: Pointers;
	/** Where options and operand alone would not say it: what follows the command's name, one for each line. */
	readonly usages?: readonly string[];
}

const longNameOf = ({ names }: DocumentedOption): string => names.find((name) => name.startsWith("--")) ?? "";
const shortNameOf = ({ names }: DocumentedOption): string | undefined => names.find((name) => name.length === 2);

/** "--timeout S", "--disposable[=BASE]", "-q": by its short name where it has one and `prefersShort`. */
export function spellOption(option: DocumentedOption, prefersShort: boolean): string {
	const name = (prefersShort ? shortNameOf(option) : undefined) ?? longNameOf(option);
	if (option.value === "none") return name;
	return option.value === "optional" ? `${name}[=${option.arg}]` : `${name} ${option.arg}`;
}

/** "-u, --user USER"; where there is no short name, its place stays free. */
export function spellBoth(option: DocumentedOption): string {
	const short = shortNameOf(option);
	return `${short === undefined ? "    " : `${short}, `}${spellOption(option, false)}`;
}

/** Its further long names. */
export const otherNamesOf = (option: DocumentedOption): string[] =>
	option.names.filter((name) => name.startsWith("--") && name !== longNameOf(option));

/** What follows the command's name: "[-q] [--json]", one for each line. --help goes without saying. */
export function usagesOf({ options, operand, usages }: Command): readonly string[] {
	if (usages !== undefined) return usages;
	const words = Object.entries(options)
		.filter(([name]) => name !== "help")
		.map(([, option]) => {
			const spelling = spellOption(option, true);
			return option.isRequired === true ? spelling : `[${spelling}]`;
		});
	return [[...words, ...(operand === undefined ? [] : [spellOperand(operand)])].join(" ")];
}

/** "VM…", "[VM]", "bash|zsh|fish". */
function spellOperand({ name, least, most, words }: Operand): string {
	const word = `${words?.join("|") ?? name}${most > 1 ? "…" : ""}`;
	return least === 0 ? `[${word}]` : word;
}
