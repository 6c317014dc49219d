/** run-in-vm's command line. Options stop at VM; one `--` after VM is swallowed; everything behind is the command's own. */
import { QubesLiteError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { parseSessionId, type SessionId } from "../protocol/session-id.ts";
import { filterModes, program, runOptions, runPointers, runUsages } from "./commands/run-in-vm.ts";
import { formatOptions, formatUsages } from "./commands/usage.ts";
import { parseOptions } from "./options.ts";

export type FilterMode = (typeof filterModes)[number];

/** What a run and an attachment have in common. */
interface Common {
	readonly stdin: boolean;
	readonly quiet: boolean;
	/** 0: no bound but the boot's own. */
	readonly timeoutMs: number;
	/** File descriptor for the one line that says how the run ended. */
	readonly statusFd: number | null;
	/** null: not asked for, so only what goes to a terminal is filtered. */
	readonly filter: FilterMode | null;
}

export interface RunArguments extends Common {
	readonly kind: "run";
	/** With `disposable` the vm whose fresh instance it is; "" is the default one. */
	readonly vm: string;
	readonly disposable: boolean;
	readonly command: readonly string[];
	readonly start: boolean;
	/** null: a terminal if we have one. */
	readonly tty: boolean | null;
	/** Words of -e: "K=V", or "K" alone for our own value. */
	readonly environment: readonly string[];
	readonly user: string | null;
	readonly directory: string | null;
	readonly detach: boolean;
}

export interface AttachArguments extends Common {
	readonly kind: "attach";
	readonly id: SessionId;
}

export type Options = RunArguments | AttachArguments;

export type ParsedRun = Options | { readonly kind: "help" | "version" };

/** `run-in-vm --help` */
export const formatRunUsage = (): string => `${formatUsages(runUsages.map((usage) => `${program} ${usage}`))}
Runs COMMAND in the vm VM, which boots first if it is not running, and ends with the command's own exit status.
Options come before VM; all words after it are the command's.

${formatOptions(Object.values(runOptions))}
Output on a terminal is filtered, because a guest's bytes could type commands or hide what is there. auto: with a
terminal of its own the command may use colours and move the cursor, but not set titles or the clipboard or make our
terminal answer; without one, and with strict: printable text, tabs and line ends. Pipes and files get every byte.

exit status: the command's own; 128+N when signal N ended it; 124 the vm was not ready in time; 125 qubes-lite's own
fault (no such vm, boot failed, bad usage); 126 the command is not executable; 127 it was not found.
Signals that we get (INT TERM HUP QUIT USR1 USR2 WINCH TSTP CONT) go on to the command.

  run-in-vm shopping firefox                       run-in-vm --shell 'ps | wc -l' vault
  echo hello | run-in-vm shopping tr a-z A-Z       run-in-vm --disposable firefox
  ln -s run-in-vm firefox@shopping                 a link of such a name runs firefox in shopping
`;

const help = `${program} --help`;

type Name = keyof typeof runOptions;

/** What makes no sense for a session that is there already. */
const onlyForRuns: readonly Name[] = [
	"noStart",
	"shell",
	"tty",
	"noTty",
	"env",
	"user",
	"workdir",
	"detach",
	"disposable",
];

const dayS = 24 * 3600;

/** `words` without the program's name. Throws BadRequest on bad usage. */
export function parseRunArguments(words: readonly string[]): ParsedRun {
	const { given, rest } = parseOptions<Name>(words, runOptions, help, runPointers);
	const asked = new Set(given.map(({ name }) => name));
	if (asked.has("help")) return { kind: "help" };
	if (asked.has("version")) return { kind: "version" };
	/** The last word of several wins; null where there was none. */
	const value = (name: Name): string | null => given.findLast((option) => option.name === name)?.value ?? null;
	const common: Common = {
		stdin: !asked.has("noStdin"),
		quiet: asked.has("quiet"),
		timeoutMs: parseSeconds(value("timeout")),
		statusFd: parseFd(value("statusFd")),
		filter: parseFilter(value("filter")),
	};
	const attach = value("attach");
	if (attach !== null) {
		const other = given.find(({ name }) => onlyForRuns.includes(name));
		if (other !== undefined) throw usage(`${runOptions[other.name].names[0]} has no meaning with --attach`);
		if (rest.length > 0) throw usage(`--attach takes no command, but there is '${rest[0]}'`);
		return { kind: "attach", id: parseSessionId(attach), ...common };
	}
	const disposable = asked.has("disposable");
	const tty = given.findLast(({ name }) => name === "tty" || name === "noTty");
	return {
		...{ kind: "run", ...common, disposable },
		...parseTarget(rest, disposable ? (value("disposable") ?? "") : null, value("shell")),
		start: !asked.has("noStart"),
		tty: tty === undefined ? null : tty.name === "tty",
		environment: given.flatMap(({ name, value: word }) =>
			name === "env" && word !== null ? [checkVariable(word)] : [],
		),
		user: notEmpty("--user", value("user")),
		directory: parseDirectory(value("workdir")),
		detach: asked.has("detach"),
	};
}

/** `base` is null without --disposable: then the first word is the vm. */
function parseTarget(
	rest: readonly string[],
	base: string | null,
	script: string | null,
): { vm: string; command: readonly string[] } {
	const vm = base ?? rest[0];
	if (vm === undefined) throw usage("which VM?");
	if (base === null && vm === "--") throw usage("VM is missing before '--'");
	const words = base === null ? rest.slice(1) : rest;
	const command = words[0] === "--" ? words.slice(1) : words;
	if (script !== null) return { vm, command: ["/bin/sh", "-c", "--", script, "sh", ...command] };
	if (command.length === 0) throw usage(`which command is to run${base === null ? ` in the vm ${vm}` : ""}?`);
	return { vm, command };
}

function parseSeconds(word: string | null): number {
	if (word === null) return 0;
	const seconds = Number(word);
	if (!/^\d*\.?\d+$/.test(word) || !(seconds > 0) || seconds > dayS) {
		throw usage(`--timeout needs seconds, more than 0 and at most ${dayS}`);
	}
	return Math.ceil(seconds * 1000);
}

/** 0 to 2 are the command's own streams. */
function parseFd(word: string | null): number | null {
	if (word === null) return null;
	const fd = Number(word);
	if (!/^[0-9]{1,4}$/.test(word) || fd < 3) {
		throw usage("--status-fd needs the number of an open file descriptor, 3 or more");
	}
	return fd;
}

function parseFilter(word: string | null): FilterMode | null {
	if (word === null) return null;
	const mode = filterModes.find((known) => known === word);
	if (mode !== undefined) return mode;
	const meant = nearestName(word, filterModes);
	throw usage(`--filter needs auto, strict or off${meant === undefined ? "" : `; did you mean ${meant}?`}`);
}

function parseDirectory(word: string | null): string | null {
	if (word === null || word.startsWith("/")) return word;
	throw usage(`--workdir needs a path of the guest that begins with /, not '${word}'`);
}

function notEmpty(option: string, word: string | null): string | null {
	if (word === "") throw usage(`${option} needs a name`);
	return word;
}

function checkVariable(word: string): string {
	if (word === "" || word.startsWith("=")) throw usage(`-e needs K=V or K, not '${word}'`);
	return word;
}

const usage = (message: string): QubesLiteError => new QubesLiteError("BadRequest", message, { remedy: help });
