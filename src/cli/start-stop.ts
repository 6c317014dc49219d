/** `qubes-lite start`, `stop`, `kill` and `restart`: all vms at once, with a line on a terminal that says what they are at. */
import { QubesLiteError } from "../errors.ts";
import { type BrokerRequest, encodeRequest } from "../protocol/broker.ts";
import { callBroker, monotonicMs } from "./broker-client.ts";
import { formatError } from "./command-line.ts";
import { parseCommand, UsageError } from "./commands/parse-command.ts";
import { program } from "./commands/qubes-lite.ts";
import { runOtherProgram } from "./other-program.ts";
import { ProgressLine, type Task } from "./progress-line.ts";

/** All resolve with the exit status: each failure is told, and one is enough for 1. */

export function startAll(words: readonly string[]): Promise<number> {
	const { operands, has } = parseCommand("start", words);
	if (has("print-argv") || has("explain")) return runOtherProgram("admin.mjs", ["print-argv", ...words]);
	if (has("json")) throw new UsageError("--json goes with --print-argv or --explain", `${program} start --help`);
	return forEach("Starting", operands, async (vm, ask) => ask(toStart(vm)));
}

export function stopAll(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("stop", words);
	return forEach("Stopping", parsed.operands, async (vm, ask) => ask(toStop(vm, parsed.has("force"))));
}

export function killAll(words: readonly string[]): Promise<number> {
	const { operands } = parseCommand("kill", words);
	return forEach("Stopping", operands, async (vm, ask) => ask(toStop(vm, true)));
}

/** One that is not up is only started. */
export function restartAll(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("restart", words);
	return forEach("Restarting", parsed.operands, async (vm, ask) => {
		await ask(toStop(vm, parsed.has("force")));
		await ask(toStart(vm));
	});
}

const toStart = (vm: string): BrokerRequest => ({ method: "start", vm, askedAt: monotonicMs() });
const toStop = (vm: string, force: boolean): BrokerRequest => ({ method: "stop", vm, force, askedAt: monotonicMs() });

/** Resolves when that is done. */
type Ask = (request: BrokerRequest) => Promise<void>;

async function forEach(
	task: Task,
	names: readonly string[],
	act: (vm: string, ask: Ask) => Promise<void>,
): Promise<number> {
	const vms = [...new Set(names)];
	const line = ProgressLine.on(process.stderr, { task, vms }, false, process.env);
	if (line !== null) eraseWhenEnded(line);
	const outcomes = await Promise.allSettled(
		vms.map(async (vm) => {
			const ask: Ask = async (request) => {
				await callBroker(process.env, encodeRequest(request), (progress) => line?.note(progress, vm));
			};
			await act(vm, ask).finally(() => line?.done(vm));
		}),
	);
	line?.end();
	let status = 0;
	for (const outcome of outcomes) {
		if (outcome.status === "fulfilled") continue;
		status = 1;
		process.stderr.write(formatError(program, QubesLiteError.from(outcome.reason)));
	}
	return status;
}

/** The shell's prompt comes where the line was. What was asked for goes on without us. */
function eraseWhenEnded(line: ProgressLine): void {
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) {
		process.once(signal, () => {
			line.end();
			process.kill(process.pid, signal);
		});
	}
}
