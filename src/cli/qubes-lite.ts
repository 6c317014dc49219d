/** `qubes-lite COMMAND…`: looks at vms and manages them. stdout is data, stderr is words; exit 0 done, 1 failed, 2 usage. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { type BrokerRequest, encodeRequest } from "../protocol/broker.ts";
import { parseSessionList, parseStatusList, parseStatusReply } from "../protocol/broker-replies.ts";
import { callBroker } from "./broker-client.ts";
import { checkArguments, formatError } from "./command-line.ts";
import { formatSessions } from "./session-table.ts";
import { formatStatus, formatTable } from "./status-table.ts";
import { version } from "./version.ts";

const program = "qubes-lite";
const status = { done: 0, failed: 1, usage: 2 } as const;

const usageText = `usage: qubes-lite COMMAND

  ls [-q] [--json]          the vms and what they do; -q names only
  status [--json] VM        one vm, with what keeps it up or why it ended
  ps [--json] [VM]          the sessions in running vms: what runs, for whom, since when
  start VM…                 boot vms without running anything in them
  stop [--force] VM…        shut vms down; --force does not ask the guest
  image build [--force]     build the guest image (also: image ls, image path)
  --help, --version

  run-in-vm VM COMMAND…     runs a command in a vm: see run-in-vm --help
`;

/** Bad usage: exit status 2, where an error of the work itself is 1. */
class UsageError extends QubesLiteError {
	constructor(message: string) {
		super("BadRequest", message, { remedy: "qubes-lite --help" });
	}
}

type Command = (words: string[]) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
	ls: list,
	status: showStatus,
	ps: listSessions,
	start: (words) => startAll(words),
	stop: (words) => stopAll(words),
	image,
};

async function main(words: string[]): Promise<number> {
	checkArguments();
	const [name, ...rest] = words;
	if (name === undefined) throw new UsageError("which command?");
	if (name === "--help" || name === "-h" || name === "help") return say(usageText);
	if (name === "--version") return say(`${version}\n`);
	const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
	if (command !== undefined)
		return rest.some((word) => word === "--help" || word === "-h") ? say(usageText) : command(rest);
	const meant = nearestName(name, Object.keys(commands));
	throw new UsageError(`there is no command '${name}'${meant === undefined ? "" : `; did you mean '${meant}'?`}`);
}

async function list(words: string[]): Promise<number> {
	const { values } = parse(words, { json: { type: "boolean" }, quiet: { type: "boolean", short: "q" } }, 0);
	const reply = await call({ method: "list" });
	if (values.json === true) return say(`${JSON.stringify(reply, null, 2)}\n`);
	const vms = parseStatusList(reply);
	if (values.quiet === true) return say(vms.map((vm) => `${vm.name}\n`).join(""));
	return say(formatTable(vms, { colour: hasColour(), now: Date.now() }));
}

async function showStatus(words: string[]): Promise<number> {
	const { values, positionals } = parse(words, { json: { type: "boolean" } }, 1);
	const reply = await call({ method: "status", vm: positionals[0] ?? "" });
	if (values.json === true) return say(`${JSON.stringify(reply, null, 2)}\n`);
	return say(formatStatus(parseStatusReply(reply), { colour: hasColour(), now: Date.now() }));
}

async function listSessions(words: string[]): Promise<number> {
	const { values, positionals } = parse(words, { json: { type: "boolean" } }, 1, 0);
	const reply = await call({ method: "sessions", vm: positionals[0] ?? null });
	if (values.json === true) return say(`${JSON.stringify(reply, null, 2)}\n`);
	return say(formatSessions(parseSessionList(reply), { colour: hasColour(), now: Date.now() }));
}

async function startAll(words: string[]): Promise<number> {
	const { positionals } = parse(words, {}, Number.POSITIVE_INFINITY);
	return forEach(positionals, (vm) => ({ method: "start", vm }));
}

async function stopAll(words: string[]): Promise<number> {
	const { values, positionals } = parse(words, { force: { type: "boolean" } }, Number.POSITIVE_INFINITY);
	return forEach(positionals, (vm) => ({ method: "stop", vm, force: values.force === true }));
}

/** All at once, since a boot or a shutdown takes seconds; each failure is told, and one is enough for status 1. */
async function forEach(vms: readonly string[], toRequest: (vm: string) => BrokerRequest): Promise<number> {
	if (vms.length === 0) throw new UsageError("which VM?");
	const outcomes = await Promise.allSettled(vms.map((vm) => call(toRequest(vm))));
	let failed = false;
	for (const outcome of outcomes) {
		if (outcome.status === "fulfilled") continue;
		failed = true;
		process.stderr.write(formatError(program, QubesLiteError.from(outcome.reason)));
	}
	return failed ? status.failed : status.done;
}

/** The image builder is a program of its own: the client that everybody starts stays small. */
function image(words: string[]): Promise<number> {
	const builder = fileURLToPath(new URL("./image.mjs", import.meta.url));
	const child = spawn(process.execPath, [builder, ...words], { stdio: "inherit" });
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", (code) => resolve(code ?? status.failed));
	});
}

const call = (request: BrokerRequest): Promise<unknown> => callBroker(process.env, encodeRequest(request));

function parse<T extends NonNullable<Parameters<typeof parseArgs>[0]>["options"]>(
	words: string[],
	options: T,
	most: number,
	least = most === 1 ? 1 : 0,
) {
	try {
		const parsed = parseArgs({ args: words, options: { ...options }, allowPositionals: true, strict: true });
		if (parsed.positionals.length > most) throw new UsageError(`'${parsed.positionals[most]}' is one word too many`);
		if (parsed.positionals.length < least) throw new UsageError("which VM?");
		return parsed;
	} catch (cause) {
		if (errnoOf(cause)?.startsWith("ERR_PARSE_ARGS") === true)
			throw toUsageError(cause as Error, Object.keys(options ?? {}));
		throw cause;
	}
}

/** parseArgs' own first sentence, and the option that was most likely meant. */
function toUsageError(cause: Error, known: readonly string[]): UsageError {
	const sentence = cause.message.split(". ")[0] ?? "bad usage";
	const option = errnoOf(cause) === "ERR_PARSE_ARGS_UNKNOWN_OPTION" ? /'--(.*)'/s.exec(sentence)?.[1] : undefined;
	const meant = option === undefined ? undefined : nearestName(option, known);
	return new UsageError(`${sentence}${meant === undefined ? "" : `; did you mean '--${meant}'?`}`);
}

/** no-color.org: any value but the empty one means no colour. */
function hasColour(): boolean {
	return process.stdout.isTTY && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb";
}

function say(text: string): number {
	process.stdout.write(text);
	return status.done;
}

/** Whoever reads no further has what they wanted; a full disk has not. */
process.stdout.on("error", (cause) => {
	if (errnoOf(cause) === "EPIPE") return;
	process.stderr.write(
		formatError(program, new QubesLiteError("Internal", `the output cannot be written: ${cause.message}`)),
	);
	process.exitCode = status.failed;
});
main(process.argv.slice(2)).then(
	(done) => {
		process.exitCode ??= done;
	},
	(cause: unknown) => {
		const error = QubesLiteError.from(cause);
		process.stderr.write(formatError(program, error));
		process.exitCode = error instanceof UsageError ? status.usage : status.failed;
	},
);
