/** The manual pages: command lines from their tables, and around them what a table does not say. */
import { type Command, type DocumentedOption, spellOption, usagesOf } from "../../cli/commands/command.ts";
import { commandNames, commands, globalOptions } from "../../cli/commands/qubes-lite.ts";
import { runOptions, runUsages } from "../../cli/commands/run-in-vm.ts";
import { type Block, formatRoff, type Section, type Term } from "./roff.ts";

/** By file name: what an installer writes into man1. */
export function formatManPages(version: string): Readonly<Record<string, string>> {
	return {
		"run-in-vm.1": formatRoff({ name: "run-in-vm", version, sections: runInVm }),
		"qubes-lite.1": formatRoff({ name: "qubes-lite", version, sections: qubesLite }),
	};
}

/** "-n, --lines LINES", with the names in bold. The value stands behind every long name. */
function toOptionTerm(option: DocumentedOption): Term {
	const spelling = spellOption(option, false);
	const value = spelling.slice(spelling.search(/[ [=]|$/));
	const shortFirst = [...option.names].sort((a, b) => Number(a.startsWith("--")) - Number(b.startsWith("--")));
	const names = shortFirst.map((name) => `\`${name}\`${name.startsWith("--") ? value : ""}`);
	return { term: names.join(", "), blocks: [`${capitalize(option.help)}.`] };
}

const capitalize = (text: string): string => `${text[0]?.toUpperCase()}${text.slice(1)}`;

const optionBlocks = (options: readonly DocumentedOption[]): Block[] => {
	const groups = [...new Set(options.map(({ group }) => group))];
	return groups.flatMap((group) => [
		...(group === undefined ? [] : [{ heading: capitalize(group) }]),
		{ terms: options.filter((option) => option.group === group).map(toOptionTerm) },
	]);
};

const synopsis = (program: string, usages: readonly string[]): Section => ({
	title: "SYNOPSIS",
	blocks: usages.map((usage) => `\`${program}\` ${usage}`),
});

const environment = (more: readonly Term[]): Section => ({
	title: "ENVIRONMENT",
	blocks: [
		{
			terms: [
				{ term: "`QUBES_LITE_CONFIG`", blocks: ["The configuration file, in the place of those below FILES."] },
				{
					term: "`XDG_RUNTIME_DIR`",
					blocks: [
						"Where the broker's socket is, below `qubes-lite`. It must be set, yours, and closed to other users.",
					],
				},
				{
					term: "`XDG_CONFIG_HOME`, `XDG_STATE_HOME`, `XDG_CACHE_HOME`",
					blocks: ["In the place of ~/.config, ~/.local/state and ~/.cache below FILES, where they are absolute."],
				},
				{
					term: "`NO_COLOR`, `TERM`",
					blocks: ["A value of `NO_COLOR` that is not empty, or `TERM=dumb`: no colour, and no line of progress."],
				},
				...more,
			],
		},
	],
});

const files: Section = {
	title: "FILES",
	blocks: [
		{
			terms: [
				{
					term: "`~/.config/qubes-lite/config.json`, `/etc/qubes-lite/config.json`",
					blocks: ["The vms: the first of the two that is there. Without either there are five that are built in."],
				},
				{
					term: "`~/.config/qubes-lite/policy.d/*.policy`, `/etc/qubes-lite/policy.d/*.policy`",
					blocks: [
						"Who may do what with which vm, all of the first directory before the second: see `qubes-lite policy lint` and " +
							"`qubes-lite policy explain`. Without any you may do anything, and guests may ask nothing.",
					],
				},
				{
					term: "`~/.local/state/qubes-lite/broker.log`",
					blocks: [
						"What a broker did that a command has started, one JSON object on each line, without arguments and environments of " +
							"commands. One that systemd has started writes the same into the journal: `journalctl --user -u qubes-lite-broker`.",
					],
				},
				{
					term: "`~/.local/state/qubes-lite/logs/`",
					blocks: ["Console and vmm log of the last boot of each vm that is not disposable."],
				},
				{ term: "`~/.cache/qubes-lite/images/`", blocks: ["Guest images; `current` points to the one that is used."] },
				{
					term: "`$XDG_RUNTIME_DIR/qubes-lite/`",
					blocks: ["The broker's socket, and a directory for each vm that runs."],
				},
			],
		},
	],
};

const runInVm: readonly Section[] = [
	{ title: "NAME", blocks: ["run-in-vm - run a command in a virtual machine of its own"] },
	synopsis("run-in-vm", runUsages),
	{
		title: "DESCRIPTION",
		blocks: [
			"`run-in-vm` runs COMMAND in the vm VM, which boots first if it is not running, with the caller's input, output and " +
				"terminal, and ends with the command's own exit status. The vm goes away again when nothing needs it.",
			"Options come before VM; all words after it are the command's, word for word: no shell looks at them, unless " +
				"`--shell` asks for one. One `--` behind VM is left out. Streams are the command's, byte for byte.",
			"A link of the name `firefox@shopping` to `run-in-vm` runs firefox in the vm shopping.",
		],
	},
	{ title: "OPTIONS", blocks: optionBlocks(Object.values(runOptions)) },
	{
		title: "TERMINAL",
		blocks: [
			"The command gets a terminal of its own if standard input, output and error are all terminals, or with `-t`. Every " +
				"key is the guest's then, Ctrl-C and Ctrl-Z too.",
			"What a guest writes onto the terminal is filtered, because such bytes could set titles, fill the clipboard, hide " +
				"text, or make the terminal type. With a terminal in the guest, colours and cursor movements pass; without one, " +
				"and with `--filter strict`, only printable text, tabs and line ends. Pipes and files get every byte, unless a " +
				"filter is named.",
		],
	},
	{
		title: "SIGNALS",
		blocks: [
			"INT, TERM, HUP, QUIT, USR1, USR2, WINCH, TSTP and CONT go on to the command's process group, except those that " +
				"were ignored at the start, as under nohup(1). If `run-in-vm` itself is killed, or gets the same of INT, TERM, HUP " +
				"and QUIT three times within 2 seconds, the command gets HUP, then TERM, then KILL, all within 5 seconds, unless " +
				"it is detached.",
		],
	},
	{
		title: "EXIT STATUS",
		blocks: [
			{
				terms: [
					{ term: "`0`-`255`", blocks: ["The command's own."] },
					{ term: "`128` + N", blocks: ["Signal N ended the command, or `run-in-vm` before it ran."] },
					{ term: "`124`", blocks: ["The vm was not ready in time."] },
					{
						term: "`125`",
						blocks: ["A fault of qubes-lite's own: no such vm, boot failed, bad usage, lost connection."],
					},
					{ term: "`126`", blocks: ["The command is not executable."] },
					{ term: "`127`", blocks: ["The command was not found."] },
				],
			},
			"For 124 to 127, where it is not the command's own status, a sentence on standard error says why and what helps. " +
				"`--status-fd` says without guessing who an exit status is from.",
		],
	},
	environment([
		{
			term: "`TERM`, `COLORTERM`",
			blocks: ["Go over to a command that has a terminal. Nothing else does, but for what `-e` names."],
		},
	]),
	files,
	{
		title: "EXAMPLES",
		blocks: [
			{
				code: [
					"run-in-vm shopping firefox",
					"echo hello | run-in-vm shopping tr a-z A-Z",
					"run-in-vm --shell 'ps | wc -l' vault",
					"run-in-vm --disposable firefox",
				],
			},
			"Something that goes on when the terminal is closed, and how to come back to it:",
			{ code: ["id=$(run-in-vm -d vault make)", 'run-in-vm --attach "$id"'] },
		],
	},
	{ title: "SEE ALSO", blocks: ["`qubes-lite`(1)"] },
];

const qubesLite: readonly Section[] = [
	{ title: "NAME", blocks: ["qubes-lite - look at and manage virtual machines for single programs"] },
	synopsis("qubes-lite", ["COMMAND [options] ...", "--help | --version"]),
	{
		title: "DESCRIPTION",
		blocks: [
			"`qubes-lite` says what the vms of `run-in-vm`(1) do, starts and stops them, and takes care of what they need. Data " +
				"is on standard output, words are on standard error. A broker starts when it is first asked, and leaves when " +
				"nothing runs.",
			"`qubes-lite COMMAND --help` says what a command does. What is mistyped gets the nearest name. A link of the name " +
				"`qubes-lite-start-shopping` to `qubes-lite` starts the vm shopping.",
		],
	},
	{ title: "COMMANDS", blocks: [{ terms: commandNames.map(toCommandTerm) }] },
	{ title: "OPTIONS", blocks: optionBlocks(Object.values(globalOptions)) },
	{
		title: "EXIT STATUS",
		blocks: [
			{
				terms: [
					{ term: "`0`", blocks: ["Done."] },
					{ term: "`1`", blocks: ["Failed: a sentence on standard error says why and what helps."] },
					{ term: "`2`", blocks: ["Bad usage."] },
				],
			},
		],
	},
	environment([
		{ term: "`QUBES_LITE_LOG`", blocks: ["How much a broker that is started now writes down: `debug`, or `info`."] },
	]),
	files,
	{
		title: "EXAMPLES",
		blocks: [
			"What runs, and what keeps the vm shopping up:",
			{ code: ["qubes-lite ls", "qubes-lite status shopping"] },
			"Completion for the shell that this is typed into:",
			{ code: ["source <(qubes-lite completion bash)"] },
		],
	},
	{ title: "SEE ALSO", blocks: ["`run-in-vm`(1), `systemctl`(1)"] },
];

function toCommandTerm(name: (typeof commandNames)[number]): Term {
	const command: Command = commands[name];
	const usages = usagesOf(command).map((usage) => `\`${name}\` ${usage}`.trimEnd());
	const { help, more } = command;
	const sentences = [`${capitalize(help)}.`, ...(more === undefined ? [] : [more])];
	/** That --help is one of everybody's is said above. */
	const options = Object.entries(command.options).flatMap(([key, option]) => (key === "help" ? [] : [option]));
	return {
		term: usages.join(", "),
		blocks: [sentences.join(" "), ...(options.length === 0 ? [] : [{ terms: options.map(toOptionTerm) }])],
	};
}
