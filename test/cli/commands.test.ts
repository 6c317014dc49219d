/** The table of `qubes-lite`'s commands: what is read with it, and the help that is made from it. */
import { describe, expect, it } from "vitest";
import { type Command, usagesOf } from "../../src/cli/commands/command.ts";
import { findCommand, parseCommand, UsageError } from "../../src/cli/commands/parse-command.ts";
import { commandNames, commands } from "../../src/cli/commands/qubes-lite.ts";
import { formatCommandHelp, formatOverview } from "../../src/cli/commands/qubes-lite-help.ts";

const words = (line: string): string[] => (line === "" ? [] : line.split(" "));

/** As main() goes about it. */
function parse(line: string) {
	const { names, rest } = findCommand(words(line));
	const [name] = names;
	if (name === undefined || names.length > 1) return { names };
	return { name, parsed: parseCommand(name, rest) };
}

describe("a command line", () => {
	it("has options anywhere before --, and operands", () => {
		const parsed = parseCommand("stop", words("a --force b -- --force"));
		expect(parsed.has("force")).toBe(true);
		expect(parsed.operands).toEqual(["a", "b", "--force"]);
		expect(parseCommand("stop", ["a"]).has("force")).toBe(false);
	});

	it.each(["-fn 3 vault", "-n3 vault -f", "vault --lines=3 --follow", "--lines 9 -n 3 -f -- vault"])(
		"has values, of which the last counts: logs %s",
		(line) => {
			const parsed = parseCommand("logs", words(line));
			expect([parsed.value("lines"), parsed.has("follow"), parsed.has("console")]).toEqual(["3", true, false]);
			expect(parsed.operands).toEqual(["vault"]);
		},
	);

	it("of two words is found, and its first word alone can only be asked about", () => {
		expect(parse("image build --force")).toMatchObject({ name: "image build" });
		expect(parse("image --help")).toEqual({
			names: ["image build", "image ls", "image rm", "image gc", "image path", "image assemble"],
		});
	});

	it("has another one behind --, where it runs one", () => {
		const parsed = parseCommand("inhibit", words("vault --why backup -- rsync --why -- a"));
		expect([parsed.operands, parsed.value("why")]).toEqual([["vault"], "backup"]);
		expect(parsed.behind).toEqual(["rsync", "--why", "--", "a"]);
		expect(parse("inhibit vault -- true --help").parsed?.has("help")).toBe(false);
		expect(parseCommand("stop", words("a -- b")).behind).toEqual([]);
	});

	it.each(["logs --help", "units -h", "logs a b c --help", "completion xsh -h"])("may ask for help: %s", (line) => {
		expect(parse(line).parsed?.has("help")).toBe(true);
	});

	it.each([
		["lgos", "there is no command 'lgos'; did you mean 'logs'?", "qubes-lite --help"],
		["constructor", "there is no command 'constructor'", "qubes-lite --help"],
		["build", "there is no command 'build'", "qubes-lite --help"],
		["destroy", "there is no command 'destroy'; did you mean: qubes-lite kill VM", "qubes-lite --help"],
		["list", "there is no command 'list'; did you mean: qubes-lite ls", "qubes-lite --help"],
		["up", "there is no command 'up'; did you mean: qubes-lite start VM", "qubes-lite --help"],
		[
			"stop --all",
			"there is no option --all: all vms are stopped by: qubes-lite stop $(qubes-lite ls -q)",
			"qubes-lite stop --help",
		],
		["stop", "which VM? all vms are stopped by: qubes-lite stop $(qubes-lite ls -q)", "qubes-lite stop --help"],
		["host", "which host command: tap?", "qubes-lite host --help"],
		["host tpa", "there is no command 'host tpa'; did you mean 'host tap'?", "qubes-lite --help"],
		["host tap --nat", "--nat needs a network interface", "qubes-lite host tap --help"],
		["image", "which image command: build, ls, rm, gc, path, assemble?", "qubes-lite image --help"],
		["image biuld", "there is no command 'image biuld'; did you mean 'image build'?", "qubes-lite --help"],
		["image rm --force", "which image?", "qubes-lite image ls"],
		["logs", "which VM?", "qubes-lite logs --help"],
		["logs --flow a", "there is no option --flow; did you mean --follow?", "qubes-lite logs --help"],
		["logs -n", "-n needs a number of lines", "qubes-lite logs --help"],
		[
			"inhibit vault rsync",
			"which command? It stands behind --: qubes-lite inhibit VM -- COMMAND",
			"qubes-lite inhibit --help",
		],
		["inhibit -- true", "which VM?", "qubes-lite inhibit --help"],
		["logs a b", "'b' is one word too many", "qubes-lite logs --help"],
		["ls a", "'a' is one word too many", "qubes-lite ls --help"],
		["status --json=1 a", "--json takes no value", "qubes-lite status --help"],
		["units --config x", "units needs --out DIR", "qubes-lite units --help"],
		["completion zhs", "'zhs' is not one of bash, zsh, fish; did you mean 'zsh'?", "qubes-lite completion --help"],
	])("that is wrong is told so in one sentence: %s", (line, message, remedy) => {
		let said: unknown;
		try {
			parse(line);
		} catch (cause) {
			said = cause;
		}
		expect(said).toBeInstanceOf(UsageError);
		expect(said).toMatchObject({ message, remedy });
	});
});

describe("help", () => {
	it("has every command in its overview, in lines that fit", () => {
		const overview = formatOverview();
		for (const name of commandNames) expect(overview).toMatch(new RegExp(`^  ${name}( |$)`, "m"));
		for (const line of overview.split("\n")) expect(line.length).toBeLessThanOrEqual(108);
		expect(overview).toContain("\n  stop [--force] VM…        shuts vms down\n");
		expect(overview).toContain(
			"\n  units --config FILE [--facts FILE] --out DIR\n                            writes the",
		);
	});

	it("of a command is its usage, what it does, and its options", () => {
		expect(formatCommandHelp(["stop"])).toBe(
			[
				"usage: qubes-lite stop [--force] VM…",
				"",
				"Shuts vms down.",
				"All of them: qubes-lite stop $(qubes-lite ls -q).",
				"",
				"      --force  does not ask the guest",
				"  -h, --help   this text",
				"",
			].join("\n"),
		);
	});

	it.each(commandNames)("of %s names every option with what it does", (name) => {
		const help = formatCommandHelp([name]);
		const command: Command = commands[name];
		for (const usage of usagesOf(command)) expect(help).toContain(`qubes-lite ${name} ${usage}`.trimEnd());
		for (const option of Object.values(command.options)) {
			for (const spelling of option.names) expect(help).toContain(spelling);
			expect(help).toContain(option.help);
		}
	});
});

describe("the table", () => {
	it.each(commandNames)("is in order: %s", (name) => {
		const { help, options, operand }: Command = commands[name];
		expect(help).not.toMatch(/\.$/);
		const spellings = Object.values(options).flatMap((option) => option.names);
		expect(new Set(spellings).size).toBe(spellings.length);
		for (const option of Object.values(options)) {
			expect(option.names[0]).toMatch(/^--[a-z-]+$/);
			/** A value has a name in the usage, and one in the error where it is missing. */
			expect([option.arg !== undefined, option.wants !== undefined]).toEqual(Array(2).fill(option.value !== "none"));
		}
		expect(options).toHaveProperty("help");
		expect(operand === undefined || operand.most >= operand.least).toBe(true);
	});
});
