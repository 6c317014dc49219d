/** `run-in-vm VM COMMAND…`: the program. */
import { exitStatusOf, QubesLiteError } from "../errors.ts";
import type { SignalName } from "../protocol/signals.ts";
import { checkArguments, formatError } from "./command-line.ts";
import { program } from "./commands/run-in-vm.ts";
import { ignoredAtStart } from "./ignored-signals.ts";
import { ProgressLine } from "./progress-line.ts";
import { run } from "./run.ts";
import { formatRunUsage, type Options, parseRunArguments } from "./run-arguments.ts";
import { checkStatusFd, type RunResult, toErrorResult, toInterruptedResult, writeStatus } from "./run-result.ts";
import { say } from "./say.ts";
import { SignalForwarder } from "./signal-forwarder.ts";
import { targetOf } from "./start-deadline.ts";
import { version } from "./version.ts";

/** The line for --status-fd is written however the run ended. */
async function runAndReport(options: Options): Promise<number> {
	checkStatusFd(options.statusFd);
	const work = { task: "Starting", vms: [targetOf(options)] } as const;
	const line = ProgressLine.on(process.stderr, work, options.quiet, process.env);
	const interrupted = (signal: SignalName): void => {
		line?.end();
		const result = toInterruptedResult(signal);
		writeStatus(options.statusFd, result);
		/** Nothing of a command's has been said yet, or who reads it has no time for it. */
		process.exit(result.status);
	};
	const signals = new SignalForwarder(interrupted, ignoredAtStart, () => performance.now());
	let result: RunResult;
	try {
		result = await run(options, { signals, line });
	} catch (cause) {
		const error = QubesLiteError.from(cause);
		signals.end();
		writeStatus(options.statusFd, toErrorResult(error));
		throw error;
	}
	signals.end();
	writeStatus(options.statusFd, result);
	/** Who said "enough" does not wait for the reader of what is left. */
	if (result.facts.by === "interrupted") process.exit(result.status);
	return result.status;
}

async function main(): Promise<number> {
	checkArguments();
	const parsed = parseRunArguments(process.argv.slice(2));
	if (parsed.kind === "run" || parsed.kind === "attach") return runAndReport(parsed);
	await say(parsed.kind === "help" ? formatRunUsage() : `${version}\n`);
	return 0;
}

function fail(cause: unknown): number {
	const error = QubesLiteError.from(cause);
	process.stderr.write(formatError(program, error));
	return exitStatusOf(error);
}

/** An EPIPE on our own output is the session's to see (SessionEnd); here it only must not crash us. */
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

/** A fault of ours must not look like an exit status of the command's. Node gives the terminal back at its end. */
process.on("uncaughtException", (cause) => process.exit(fail(cause)));

void main()
	.catch(fail)
	.then((status) => {
		process.exitCode = status;
	});
