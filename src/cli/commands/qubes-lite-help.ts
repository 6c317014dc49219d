/** The help of `qubes-lite`: of all commands together, and of each. */
import { type Command, usagesOf } from "./command.ts";
import { type CommandName, commandNames, commands, program } from "./qubes-lite.ts";
import { formatOptions, formatUsages } from "./usage.ts";

/** `qubes-lite --help` */
export function formatOverview(): string {
	const rows = commandNames.flatMap((name) => {
		const { usages, help } = overviewOf(name);
		return usages.map((usage, index): [string, string] => [usage, index === 0 ? help : ""]);
	});
	return `usage: ${program} COMMAND

${formatRows(rows)}  --help, --version
  COMMAND --help            what a command does, and its options

  run-in-vm VM COMMAND…     runs a command in a vm: see run-in-vm --help
`;
}

function overviewOf(name: CommandName): { usages: string[]; help: string } {
	const command: Command = commands[name];
	return { usages: usagesOf(command).map((usage) => `${name} ${usage}`.trimEnd()), help: command.help };
}

/** `qubes-lite logs --help`, or with "image" of each of its commands. */
export function formatCommandHelp(names: readonly CommandName[]): string {
	return names
		.map((name) => {
			const { help, more, options }: Command = commands[name];
			const usages = overviewOf(name).usages.map((usage) => `${program} ${usage}`);
			return `${formatUsages(usages)}
${help[0]?.toUpperCase()}${help.slice(1)}.
${more === undefined ? "" : `${more}\n`}
${formatOptions(Object.values(options))}`;
		})
		.join("\n");
}

/** What is too long for the column has its help on a line of its own. */
const columnWidth = 26;

function formatRows(rows: readonly (readonly [string, string])[]): string {
	return rows
		.map(([usage, help]) => {
			if (help === "") return `  ${usage}\n`;
			if (usage.length > columnWidth - 2) return `  ${usage}\n${" ".repeat(columnWidth + 2)}${help}\n`;
			return `  ${usage.padEnd(columnWidth)}${help}\n`;
		})
		.join("");
}
