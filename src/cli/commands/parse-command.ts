/** `qubes-lite`'s command lines: what they mean by its table, or what is wrong with them. */
import { QubesLiteError } from "../../errors.ts";
import { nearestName } from "../../nearest-name.ts";
import { parseOptions } from "../options.ts";
import type { Command, Operand } from "./command.ts";
import { type CommandName, commandNames, commands, foreignCommands, program } from "./qubes-lite.ts";

/** Bad usage: exit status 2, where an error of the work itself is 1. */
export class UsageError extends QubesLiteError {
	constructor(message: string, help = `${program} --help`) {
		super("BadRequest", message, { remedy: help });
	}
}

type OptionName<Name extends CommandName> = keyof (typeof commands)[Name]["options"];

export interface ParsedCommand<Name extends CommandName> {
	has(option: OptionName<Name>): boolean;
	/** Of several the last; null where there is none. */
	value(option: OptionName<Name>): string | null;
	readonly operands: readonly string[];
	/** The command line behind --, of a command that runs one; else nothing. */
	readonly behind: readonly string[];
}

/**
 * The command that `words` begin with, and the words behind it. Several where it is the first word of some: `image`, of
 * which only the help can be shown. Throws UsageError with the nearest name.
 */
export function findCommand(words: readonly string[]): { names: CommandName[]; rest: readonly string[] } {
	const [first = "", second = ""] = words;
	const alone = commandNames.find((name) => name === first);
	if (alone !== undefined) return { names: [alone], rest: words.slice(1) };
	const family = commandNames.filter((name) => name.startsWith(`${first} `));
	if (family.length === 0) {
		throw noCommand(first, [...new Set(commandNames.map((name) => name.split(" ")[0] ?? ""))], "");
	}
	const member = family.find((name) => name === `${first} ${second}`);
	if (member !== undefined) return { names: [member], rest: words.slice(2) };
	const rest = words.slice(1);
	if (rest.some((word) => word === "--help" || word === "-h")) return { names: family, rest };
	const members = family.map((name) => name.slice(first.length + 1));
	if (second === "")
		throw new UsageError(`which ${first} command: ${members.join(", ")}?`, `${program} ${first} --help`);
	throw noCommand(second, members, `${first} `);
}

/** `words` are those behind the command's name; options may stand anywhere, but not behind `--`. Throws UsageError. */
export function parseCommand<Name extends CommandName>(name: Name, words: readonly string[]): ParsedCommand<Name> {
	const command: Command = commands[name];
	const help = `${program} ${name} --help`;
	const usage = (message: string, remedy = help): UsageError => new UsageError(message, remedy);
	const given: { name: string; value: string | null }[] = [];
	const operands: string[] = [];
	const behind: string[] = [];
	let left = words;
	while (left.length > 0) {
		const parsed = parseWords(left, command, help);
		given.push(...parsed.given);
		const [word, ...rest] = parsed.rest;
		if (word === "--") (command.commandMissing === undefined ? operands : behind).push(...rest);
		else if (word !== undefined) operands.push(word);
		left = word === "--" ? [] : rest;
	}
	const has = (option: OptionName<Name>): boolean => given.some((one) => one.name === option);
	const value = (option: OptionName<Name>): string | null =>
		given.findLast((one) => one.name === option)?.value ?? null;
	const isHelp = given.some((one) => one.name === "help");
	if (!isHelp) {
		if (command.commandMissing !== undefined && behind.length === 0) throw usage(command.commandMissing);
		checkOperands(operands, command.operand, usage);
		for (const [option, { isRequired, names, arg }] of Object.entries(command.options)) {
			if (isRequired === true && !given.some((one) => one.name === option)) {
				throw usage(`${name} needs ${names[0]} ${arg}`);
			}
		}
	}
	return { has, value, operands, behind };
}

function parseWords(words: readonly string[], command: Command, help: string): ReturnType<typeof parseOptions> {
	try {
		return parseOptions(words, command.options, help, command.pointers);
	} catch (cause) {
		throw new UsageError(QubesLiteError.from(cause).message, help);
	}
}

function checkOperands(
	operands: readonly string[],
	operand: Operand | undefined,
	usage: (message: string, remedy?: string) => UsageError,
): void {
	const most = operand?.most ?? 0;
	if (operands.length > most) throw usage(`'${operands[most]}' is one word too many`);
	if (operand === undefined) return;
	if (operands.length < operand.least) throw usage(operand.missing, operand.listedBy);
	const { words } = operand;
	const wrong = words === undefined ? undefined : operands.find((word) => !words.includes(word));
	if (wrong === undefined || words === undefined) return;
	const meant = nearestName(wrong, words);
	throw usage(`'${wrong}' is not one of ${words.join(", ")}${meant === undefined ? "" : `; did you mean '${meant}'?`}`);
}

function noCommand(word: string, known: readonly string[], family: string): UsageError {
	const isForeign = family === "" && Object.hasOwn(foreignCommands, word);
	if (isForeign) return new UsageError(`there is no command '${word}'; did you mean: ${foreignCommands[word]}`);
	const meant = nearestName(word, known);
	return new UsageError(
		`there is no command '${family}${word}'${meant === undefined ? "" : `; did you mean '${family}${meant}'?`}`,
	);
}
