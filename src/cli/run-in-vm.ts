/** `run-in-vm VM COMMAND…`: the program. */
import { exitStatusOf, QubesLiteError } from "../errors.ts";
import { checkArguments, formatError } from "./command-line.ts";
import { ProgressLine } from "./progress-line.ts";
import { type Options, program, run, targetOf } from "./run.ts";
import { parseRunArguments, runUsage } from "./run-arguments.ts";
import { checkStatusFd, toErrorResult, toInterruptedResult, writeStatus } from "./run-result.ts";
import { SignalForwarder } from "./signal-forwarder.ts";
import { version } from "./version.ts";

/** The line for --status-fd is written however the run ended. */
async function runAndReport(options: Options): Promise<number> {
	checkStatusFd(options.statusFd);
	const line = ProgressLine.on(process.stderr, targetOf(options), options.quiet, process.env);
	const signals = new SignalForwarder((signal) => {
		line?.end();
		const result = toInterruptedResult(signal);
		writeStatus(options.statusFd, result);
		/** Nothing of a command's has been said yet, so nothing can be lost. */
		process.exit(result.status);
	});
	try {
		const result = await run(options, { signals, line });
		writeStatus(options.statusFd, result);
		return result.status;
	} catch (cause) {
		const error = QubesLiteError.from(cause);
		writeStatus(options.statusFd, toErrorResult(error));
		throw error;
	}
}

async function main(): Promise<number> {
	checkArguments();
	const parsed = parseRunArguments(process.argv.slice(2));
	if (parsed.kind === "run" || parsed.kind === "attach") return runAndReport(parsed);
	process.stdout.write(parsed.kind === "help" ? runUsage : `${version}\n`);
	return 0;
}

/** An EPIPE on our own output is the session's to see (SessionEnd); here it only must not crash us. */
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

try {
	process.exitCode = await main();
} catch (cause) {
	const error = QubesLiteError.from(cause);
	process.stderr.write(formatError(program, error));
	process.exitCode = exitStatusOf(error);
}
