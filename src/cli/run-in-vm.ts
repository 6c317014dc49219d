/** `run-in-vm VM COMMAND…`: asks the broker for the vm and a ticket, then speaks with the guest itself. */
import type { Socket } from "node:net";
import { exitStatusOf, QubesLiteError } from "../errors.ts";
import {
	brokerFrame,
	encodeExecBytes,
	encodeRequest,
	fromBrokerLimits,
	type Granted,
	parseGranted,
	parseReady,
	parseRefused,
} from "../protocol/broker.ts";
import { encodeExec } from "../protocol/exec.ts";
import { FrameDecoder } from "../protocol/frame.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { askBroker } from "./broker-client.ts";
import { runSession, type SessionEnd } from "./client-session.ts";
import { checkArguments, formatError } from "./command-line.ts";
import { connectGuest } from "./guest-connection.ts";
import { ProgressLine } from "./progress-line.ts";
import { parseRunArguments, type RunArguments, runUsage } from "./run-arguments.ts";
import { checkStatusFd, type RunResult, toErrorResult, toResult, writeStatus } from "./run-result.ts";
import { version } from "./version.ts";

const program = "run-in-vm";
/** After the guest's connection broke, the broker may know why; it does at once if it does at all. */
const reasonWithinMs = 1_000;
/** A sentence of the guest's, on one line: what follows below it is ours. */
const failureMaxLength = 300;
/** A ticket can expire on a host that stalls; then we ask for another, once. */
const ticketsPerRun = 2;
/** The broker keeps to --timeout as well, and knows what the wait was for: it gets this long to say so first. */
const brokerFirstMs = 500;

async function run(options: RunArguments): Promise<RunResult> {
	const { env } = process;
	const exec = encodeExec({ argv: options.command, env: {}, cwd: null, user: null, tty: null });
	const deadline = createStartDeadline(options);
	for (let ticket = 1; ; ticket++) {
		const line = ProgressLine.on(process.stderr, options.vm, options.quiet, env);
		let broker: Socket | undefined;
		try {
			const opened = await open(options, exec, line, deadline.signal);
			broker = opened.broker;
			const grant = { ticket: opened.granted.ticket, exec, startBy: deadline.signal };
			const end = await runSession(opened.guest, grant, {
				stdin: options.stdin ? process.stdin : null,
				stdout: process.stdout,
				stderr: process.stderr,
				onStarted: () => {
					deadline.end();
					line?.end();
				},
			});
			line?.end();
			const isExpired = end.kind === "failed" && end.failure === "expired" && ticket < ticketsPerRun;
			if (isExpired) continue;
			deadline.end();
			return await finish(options.vm, end, broker);
		} catch (cause) {
			deadline.end();
			throw cause;
		} finally {
			line?.end();
			/** An open connection would keep us, and the session's place in the broker, for ever. */
			broker?.destroy();
		}
	}
}

/** `--timeout`, whoever keeps us waiting: a broker that is being replaced, a guest that takes the ticket and says no more. */
function createStartDeadline({ vm, timeoutMs }: RunArguments): { signal: AbortSignal; end: () => void } {
	const controller = new AbortController();
	const expire = (): void =>
		controller.abort(
			new QubesLiteError("BootTimeout", `the command did not start in ${vm} within ${timeoutMs / 1000} s`, {
				remedy: `qubes-lite status ${vm}`,
			}),
		);
	const timer = timeoutMs === 0 ? undefined : setTimeout(expire, timeoutMs + brokerFirstMs);
	return { signal: controller.signal, end: () => clearTimeout(timer) };
}

interface Opened {
	/** Kept open while the session runs: its end tells the broker that we are gone. */
	readonly broker: Socket;
	readonly guest: Socket;
	readonly granted: Granted;
}

/** The way to the guest is opened while the agent takes in the ticket. */
async function open(
	options: RunArguments,
	exec: Buffer,
	line: ProgressLine | null,
	deadline: AbortSignal,
): Promise<Opened> {
	let guest: Promise<Socket> | undefined;
	let granted: Granted | undefined;
	const request = encodeRequest({
		method: "run",
		vm: options.vm,
		start: options.start,
		timeoutMs: options.timeoutMs,
	});
	const broker = await askBroker(process.env, [request, encodeExecBytes(exec)], {
		deadline,
		onProgress: (progress) => line?.phase(progress.phase),
		onFrame: (frame) => {
			if (frame.type === brokerFrame.ready) {
				guest?.then((socket) => socket.destroy()).catch(() => {});
				guest = connectGuest(parseReady(frame.payload));
				guest.catch(() => {});
			} else if (frame.type === brokerFrame.granted) {
				granted = parseGranted(frame.payload);
			}
			return granted !== undefined;
		},
	}).catch((cause: unknown) => {
		guest?.then((socket) => socket.destroy()).catch(() => {});
		throw cause;
	});
	if (guest === undefined || granted === undefined) {
		throw new QubesLiteError("Internal", "the broker granted a session without the way to it");
	}
	try {
		return { broker, guest: await guest, granted };
	} catch (cause) {
		broker.destroy();
		throw cause;
	}
}

async function finish(vm: string, end: SessionEnd, broker: Socket): Promise<RunResult> {
	if (end.kind === "failed")
		process.stderr.write(`${program}: ${toSafeText(end.message).replaceAll("\n", " ").slice(0, failureMaxLength)}\n`);
	if (end.kind !== "lost") return toResult(end);
	throw (
		(await reasonOfEnd(broker)) ??
		new QubesLiteError("Internal", `${vm} closed the connection before the command's exit status came`, {
			remedy: `qubes-lite status ${vm}`,
		})
	);
}

/** What the broker says about the end of the vm under our session. */
function reasonOfEnd(broker: Socket): Promise<QubesLiteError | undefined> {
	const decoder = new FrameDecoder(fromBrokerLimits);
	return new Promise((resolve) => {
		const timer = setTimeout(() => resolve(undefined), reasonWithinMs);
		const finish = (error: QubesLiteError | undefined): void => {
			clearTimeout(timer);
			resolve(error);
		};
		broker.on("data", (chunk: Buffer) => {
			try {
				for (const frame of decoder.push(chunk)) {
					if (frame.type === brokerFrame.refused) finish(QubesLiteError.fromFacts(parseRefused(frame.payload)));
				}
			} catch {
				finish(undefined);
			}
		});
		broker.once("close", () => finish(undefined));
	});
}

/** The line for --status-fd is written however the run ended. */
async function runAndReport(options: RunArguments): Promise<number> {
	checkStatusFd(options.statusFd);
	try {
		const result = await run(options);
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
	if (parsed.kind === "run") return runAndReport(parsed.run);
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
