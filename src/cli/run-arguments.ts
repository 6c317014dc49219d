/** run-in-vm's command line. Options stop at VM; one `--` after VM is swallowed; everything behind is the command's own. */
import { QubesLiteError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";

export interface RunArguments {
	readonly vm: string;
	readonly command: readonly string[];
	readonly start: boolean;
	readonly stdin: boolean;
	readonly quiet: boolean;
	/** 0: no bound but the boot's own. */
	readonly timeoutMs: number;
	/** File descriptor for the one line that says how the run ended. */
	readonly statusFd: number | null;
}

export type ParsedRun = { readonly kind: "run"; readonly run: RunArguments } | { readonly kind: "help" | "version" };

export const runUsage = `usage: run-in-vm [options] VM [--] COMMAND [ARG…]

Runs COMMAND in the vm VM, which boots first if it is not running, and ends with the command's own exit status.

  -n, --no-start   do not boot VM: fail if it is not running
  -N, --no-stdin   leave standard input alone; the command gets an empty one
      --timeout S  wait at most S seconds until the command starts (exit status 124)
      --status-fd N  write one JSON line to file descriptor N that says how the run ended
  -q, --quiet      no progress line
  -h, --help       this text
      --version    the version

exit status: the command's own; 128+N when signal N ended it; 124 the vm was not ready in time; 125 qubes-lite's own
fault (no such vm, boot failed, bad usage); 126 the command is not executable; 127 it was not found.

  run-in-vm shopping firefox           run-in-vm vault -- ls -l          echo hello | run-in-vm shopping tr a-z A-Z
`;

const longOptions = ["--no-start", "--no-stdin", "--timeout", "--status-fd", "--quiet", "--help", "--version"];
const withValue = ["--timeout", "--status-fd"];
const dayS = 24 * 3600;

/** `words` without the program's name. Throws BadRequest on bad usage. */
export function parseRunArguments(words: readonly string[]): ParsedRun {
	let start = true;
	let stdin = true;
	let quiet = false;
	let timeoutMs = 0;
	let statusFd: number | null = null;
	let at = 0;
	for (; at < words.length; at++) {
		const word = words[at] ?? "";
		if (!word.startsWith("-") || word === "-") break;
		const equals = word.startsWith("--") ? word.indexOf("=") : -1;
		const name = equals < 0 ? word : word.slice(0, equals);
		if (equals >= 0 && !withValue.includes(name)) throw usage(`${name} takes no value`);
		if (name === "-n" || name === "--no-start") start = false;
		else if (name === "-N" || name === "--no-stdin") stdin = false;
		else if (name === "-q" || name === "--quiet") quiet = true;
		else if (name === "-h" || name === "--help") return { kind: "help" };
		else if (name === "--version") return { kind: "version" };
		else if (name === "--timeout") timeoutMs = parseSeconds(equals < 0 ? words[++at] : word.slice(equals + 1));
		else if (name === "--status-fd") statusFd = parseFd(equals < 0 ? words[++at] : word.slice(equals + 1));
		else if (name === "--") throw usage("VM is missing before '--'");
		else throw unknownOption(name);
	}
	const vm = words[at];
	if (vm === undefined) throw usage("which VM?");
	const command = words.slice(words[at + 1] === "--" ? at + 2 : at + 1);
	if (command.length === 0) throw usage(`which command is to run in ${vm}?`);
	return { kind: "run", run: { vm, command, start, stdin, quiet, timeoutMs, statusFd } };
}

function parseSeconds(word: string | undefined): number {
	const seconds = Number(word);
	if (word === undefined || word === "" || !(seconds > 0) || seconds > dayS) {
		throw usage(`--timeout needs seconds, more than 0 and at most ${dayS}`);
	}
	return Math.ceil(seconds * 1000);
}

/** 0 to 2 are the command's own streams. */
function parseFd(word: string | undefined): number {
	const fd = Number(word);
	if (word === undefined || !/^[0-9]{1,4}$/.test(word) || fd < 3) {
		throw usage("--status-fd needs the number of an open file descriptor, 3 or more");
	}
	return fd;
}

function unknownOption(name: string): QubesLiteError {
	const meant = nearestName(name, longOptions);
	return usage(`there is no option ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}`);
}

const usage = (message: string): QubesLiteError =>
	new QubesLiteError("BadRequest", message, { remedy: "run-in-vm --help" });
