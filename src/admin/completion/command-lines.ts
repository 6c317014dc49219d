/** What a shell has to know of our command lines, in an order and form that suits all three. */
import type { Command, Completes, DocumentedOption } from "../../cli/commands/command.ts";
import { commandNames, commands, globalOptions } from "../../cli/commands/qubes-lite.ts";

export interface CommandLine {
	/** "logs", "image build". */
	readonly name: string;
	readonly command: Command;
	readonly options: readonly DocumentedOption[];
}

export const commandLines: readonly CommandLine[] = commandNames.map((name) => {
	const command: Command = commands[name];
	return { name, command, options: Object.values(command.options) };
});

/** What may stand behind `path`: "" is the program itself, "image" the first word of some. */
export function membersOf(path: string): { word: string; help: string }[] {
	const before = path === "" ? "" : `${path} `;
	const members = new Map<string, string>();
	for (const { name, command } of commandLines) {
		if (!name.startsWith(before)) continue;
		const [word = "", ...more] = name.slice(before.length).split(" ");
		if (more.length === 0) members.set(word, command.help);
		else if (!members.has(word)) members.set(word, familyHelp[word] ?? "");
	}
	return [...members].map(([word, help]) => ({ word, help }));
}

const familyHelp: Readonly<Record<string, string>> = {
	image: "guest images",
	host: "what vms need of this host",
	policy: "who may do what with which vm",
};

/** First words of commands that have two. */
export const families: readonly string[] = [
	...new Set(commandLines.flatMap(({ name }) => (name.includes(" ") ? [name.split(" ")[0] ?? ""] : []))),
];

export const programOptions: readonly DocumentedOption[] = Object.values(globalOptions);

/** How many operands of a command a shell can offer something for; 0: none. */
export const offersFor = ({ operand }: Command): number =>
	operand === undefined ? 0 : Math.min(operand.isFirstOnly === true ? 1 : operand.most, 999);

/** What stands behind an option, or in an operand's place. */
export type Source = { readonly words: readonly string[] } | { readonly completes: Completes } | null;

export const sourceOf = (of: { words?: readonly string[]; completes?: Completes }): Source => {
	if (of.words !== undefined) return { words: of.words };
	return of.completes === undefined ? null : { completes: of.completes };
};

/** Options whose value is the next word, by all their names. */
export const valuedNames = (options: readonly DocumentedOption[]): string[] =>
	options.filter(({ value }) => value === "required").flatMap(({ names }) => names);

/** `text` as one word of a shell of the Bourne family. */
export const quote = (text: string): string =>
	/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
