/** `qubes-lite COMMAND…`: looks at vms and manages them. stdout is data, stderr is words; exit 0 done, 1 failed, 2 usage. */
import { errnoOf, QubesLiteError } from "../errors.ts";
import { clip } from "./clip.ts";
import { checkArguments, formatError } from "./command-line.ts";
import { findCommand, parseCommand, UsageError } from "./commands/parse-command.ts";
import { type CommandName, program } from "./commands/qubes-lite.ts";
import { formatCommandHelp, formatOverview } from "./commands/qubes-lite-help.ts";
import { openConsole } from "./console.ts";
import { showEvents } from "./events.ts";
import { ignoredAtStart } from "./ignored-signals.ts";
import { inhibit } from "./inhibit.ts";
import { parseLineCount, showLogs } from "./logs.ts";
import { runOtherProgram } from "./other-program.ts";
import { setSettings } from "./set.ts";
import { list, listSessions, showStatus, showWhy } from "./show-vms.ts";
import { killAll, restartAll, startAll, stopAll } from "./start-stop.ts";
import { unwritable } from "./stdout-sink.ts";
import { version } from "./version.ts";

const status = { done: 0, failed: 1, usage: 2 } as const;

/** Takes the words behind the command's name; resolves with the exit status. */
type Runner = (words: readonly string[]) => Promise<number>;

const runners: Readonly<Record<CommandName, Runner>> = {
	ls: async (words) => say(await list(words)),
	status: async (words) => say(await showStatus(words)),
	ps: async (words) => say(await listSessions(words)),
	start: startAll,
	stop: stopAll,
	kill: killAll,
	restart: restartAll,
	why: async (words) => say(await showWhy(words)),
	set: async (words) => say(await setSettings(words)),
	inhibit,
	events: showEvents,
	logs,
	console: async (words) => openConsole(parseCommand("console", words).operands[0] ?? ""),
	"image build": other("image build", "image.mjs"),
	"image ls": other("image ls", "image.mjs"),
	"image rm": other("image rm", "image.mjs"),
	"image gc": other("image gc", "image.mjs"),
	"image path": other("image path", "image.mjs"),
	"image assemble": other("image assemble", "image.mjs"),
	open: other("open", "admin.mjs"),
	"clip copy": (words) => clip("copy", words),
	"clip paste": (words) => clip("paste", words),
	cp: (words) => runOtherProgram("copy.cjs", words),
	"desktop sync": other("desktop sync", "admin.mjs"),
	"desktop ls": other("desktop ls", "admin.mjs"),
	"desktop colors": other("desktop colors", "admin.mjs"),
	"desktop remove": other("desktop remove", "admin.mjs"),
	units: other("units", "admin.mjs"),
	install: other("install", "admin.mjs"),
	uninstall: other("uninstall", "admin.mjs"),
	"host tap": other("host tap", "admin.mjs"),
	"policy lint": other("policy lint", "admin.mjs"),
	"policy explain": other("policy explain", "admin.mjs"),
	doctor: other("doctor", "admin.mjs"),
	completion,
};

async function main(words: readonly string[]): Promise<number> {
	checkArguments();
	const [first] = words;
	if (first === undefined) throw new UsageError("which command?");
	if (first === "--help" || first === "-h" || first === "help") return say(formatOverview());
	if (first === "--version") return say(`${version}\n`);
	const { names, rest } = findCommand(words);
	const [name] = names;
	if (name === undefined || names.length > 1 || parseCommand(name, rest).has("help"))
		return say(formatCommandHelp(names));
	return runners[name](rest);
}

/** A command of another program's, which looks at the words itself; that they are right we know. */
function other(name: CommandName, bundle: "image.mjs" | "admin.mjs"): Runner {
	const its = bundle === "image.mjs" ? name.slice("image ".length) : name;
	return (words) => runOtherProgram(bundle, [its, ...words]);
}

async function logs(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("logs", words);
	const given = parsed.value("lines");
	const lines = given === null ? null : parseLineCount(given);
	if (lines === undefined) throw new UsageError(`-n needs a number of lines, not '${given}'`, `${program} logs --help`);
	const [vm = ""] = parsed.operands;
	return showLogs({ vm, follow: parsed.has("follow"), console: parsed.has("console"), lines });
}

async function completion(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("completion", words);
	const [shell] = parsed.operands;
	if (parsed.has("vms") && shell === undefined) return runOtherProgram("admin.mjs", ["vm-names"]);
	if (parsed.has("vms") || shell === undefined) throw new UsageError("which shell: bash, zsh or fish?", completionHelp);
	return runOtherProgram("admin.mjs", ["completion", shell]);
}

const completionHelp = `${program} completion --help`;

function say(text: string): number {
	process.stdout.write(text);
	return status.done;
}

/** Of output that can't be written both the stream and who wrote it may tell. */
const told = new WeakSet<object>();

function tell(error: QubesLiteError): void {
	process.exitCode = error instanceof UsageError ? status.usage : status.failed;
	const of = error.cause instanceof Error ? error.cause : error;
	if (told.has(of)) return;
	told.add(of);
	process.stderr.write(formatError(program, error));
}

/** Whoever reads no further has what they wanted; a full disk has not. */
process.stdout.on("error", (cause) => {
	if (errnoOf(cause) !== "EPIPE") tell(unwritable(cause));
});
/** As under nohup: Node has forgotten it. */
for (const signal of ignoredAtStart) process.on(signal, () => {});
main(process.argv.slice(2)).then(
	(done) => {
		process.exitCode ??= done;
	},
	(cause: unknown) => tell(QubesLiteError.from(cause)),
);
