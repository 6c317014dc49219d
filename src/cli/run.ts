/** One run: asks for a session, carries it to its end, and gives the terminal back as it was. */
import type { ReadStream } from "node:tty";
import { QubesLiteError } from "../errors.ts";
import { encodeAttach, encodeExec } from "../protocol/exec.ts";
import type { Attached } from "../protocol/session.ts";
import { formatSessionId } from "../protocol/session-id.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { BrokerHold } from "./broker-hold.ts";
import { type RemoteCommand, runSession, type SessionEnd } from "./client-session.ts";
import { terminalSize, toExec } from "./exec-request.ts";
import { FilteredSink } from "./output-sink.ts";
import type { ProgressLine } from "./progress-line.ts";
import { RawTerminal } from "./raw-terminal.ts";
import type { AttachArguments, RunArguments } from "./run-arguments.ts";
import { type RunResult, toInterruptedResult, toResult } from "./run-result.ts";
import { type GrantRequest, type Opened, openGrant } from "./session-grant.ts";
import type { SignalForwarder } from "./signal-forwarder.ts";

export const program = "run-in-vm";
/** A sentence of the guest's, on one line: what follows below it is ours. */
const failureMaxLength = 300;
/** A ticket can expire on a host that stalls; then we ask for another, once. */
const ticketsPerRun = 2;
/** The broker keeps to --timeout as well, and knows what the wait was for: it gets this long to say so first. */
const brokerFirstMs = 500;

export type Options = RunArguments | AttachArguments;

/** What all attempts of one run share. */
export interface RunContext {
	readonly signals: SignalForwarder;
	/** null where none must be shown. */
	readonly line: ProgressLine | null;
}

type Request = Pick<GrantRequest, "request" | "bytes"> & { readonly hasTerminal: boolean };

/** A request for the broker, with the bytes whose hash it announces. */
function toRequest(options: Options): Request {
	const { timeoutMs } = options;
	const { pid } = process;
	if (options.kind === "attach") {
		const { vm, session, boot } = options.id;
		const bytes = encodeAttach({ session, tty: process.stdout.isTTY ? terminalSize(process) : null });
		return { request: { method: "attach", vm, boot, timeoutMs, pid }, bytes, hasTerminal: false };
	}
	const { vm, disposable, start } = options;
	const exec = toExec(options, process);
	const request = { method: "run", vm, disposable, start, timeoutMs, pid } as const;
	return { request, bytes: encodeExec(exec), hasTerminal: exec.tty !== null };
}

/** Resolves with how it ended; rejects with what kept it from running. */
export async function run(options: Options, context: RunContext): Promise<RunResult> {
	const request = toRequest(options);
	const deadline = createStartDeadline(options);
	try {
		for (let ticket = 1; ; ticket++) {
			const result = await new Run(options, request, context).run(deadline);
			if (result !== "expired") return result;
			if (ticket === ticketsPerRun) throw new QubesLiteError("Busy", "two tickets expired before they could be used");
		}
	} finally {
		deadline.end();
	}
}

interface StartDeadline {
	readonly signal: AbortSignal;
	end(): void;
}

/** `--timeout`, whoever keeps us waiting: a broker that is being replaced, a guest that takes the ticket and says no more. */
function createStartDeadline(options: Options): StartDeadline {
	const { timeoutMs } = options;
	const controller = new AbortController();
	const what =
		options.kind === "run" ? `the command did not start in ${targetOf(options)}` : "the session did not answer";
	const expire = (): void =>
		controller.abort(
			new QubesLiteError("BootTimeout", `${what} within ${timeoutMs / 1000} s`, { remedy: statusRemedy(options) }),
		);
	const timer = timeoutMs === 0 ? undefined : setTimeout(expire, timeoutMs + brokerFirstMs);
	return { signal: controller.signal, end: () => clearTimeout(timer) };
}

/** The vm, in words. */
export function targetOf(options: Options): string {
	if (options.kind === "attach") return options.id.vm;
	return options.disposable ? "a disposable vm" : options.vm;
}

const statusRemedy = (options: Options): string =>
	options.kind === "run" && options.disposable ? "qubes-lite ls" : `qubes-lite status ${targetOf(options)}`;

/** One session, from the request to the end of the command. */
class Run {
	readonly #options: Options;
	readonly #request: Request;
	readonly #context: RunContext;
	readonly #stdout: FilteredSink;
	readonly #stderr: FilteredSink;
	readonly #leave = new AbortController();
	#terminal: RawTerminal | null = null;

	constructor(options: Options, request: Request, context: RunContext) {
		this.#options = options;
		this.#request = request;
		this.#context = context;
		this.#stdout = new FilteredSink(process.stdout, options.filter);
		this.#stderr = new FilteredSink(process.stderr, options.filter);
	}

	/** "expired": nothing has been run. */
	async run(deadline: StartDeadline): Promise<RunResult | "expired"> {
		let hold: BrokerHold | undefined;
		try {
			const onProgress = (phase: string): void => this.#context.line?.phase(phase);
			const opened = await openGrant({ ...this.#request, onProgress, deadline: deadline.signal });
			const { vm, boot } = opened.ready;
			hold = new BrokerHold(opened.broker, { vm, boot, session: opened.granted.session }, process.env);
			const end = await this.#converse(opened, deadline);
			this.#giveBack();
			if (end.kind === "failed" && end.failure === "expired") return "expired";
			return await this.#finish(end, opened, hold);
		} finally {
			this.#giveBack();
			hold?.end();
		}
	}

	#converse(opened: Opened, deadline: StartDeadline): Promise<SessionEnd> {
		const { kind } = this.#options;
		const { bytes } = this.#request;
		const grant = { ticket: opened.granted.ticket, kind: kind === "run" ? "exec" : "attach", bytes } as const;
		return runSession(
			opened.guest,
			{ ...grant, startBy: deadline.signal },
			{
				stdin: this.#takesInput() ? process.stdin : null,
				stdout: this.#stdout,
				stderr: this.#stderr,
				leave: this.#leave.signal,
				onStarted: (command, attached) => {
					deadline.end();
					this.#context.line?.end();
					this.#started(command, attached);
				},
			},
		);
	}

	/** A detached command has nobody who types. */
	#takesInput(): boolean {
		return this.#options.stdin && !(this.#options.kind === "run" && this.#options.detach);
	}

	#started(command: RemoteCommand, attached: Attached | null): void {
		const options = this.#options;
		const hasTerminal = attached?.isTerminal ?? this.#request.hasTerminal;
		this.#stdout.begin(hasTerminal);
		this.#stderr.begin(hasTerminal);
		if (options.kind === "run" && options.detach) {
			this.#leave.abort();
			return;
		}
		if (attached !== null) tellLost(attached);
		this.#terminal = RawTerminal.on(process.stdin as ReadStream, hasTerminal && this.#takesInput());
		this.#terminal?.enter();
		/** In raw mode no key ends the input: the terminal itself is gone. */
		if (this.#terminal !== null) {
			process.stdin.once("end", () => this.#leave.abort());
			process.stdin.once("error", () => this.#leave.abort());
		}
		const resize = (): void => command.resize(terminalSize(process));
		this.#context.signals.use({
			forward: (signal) => {
				/** Who came back to a session leaves it again with the terminal; the session is not theirs alone. */
				if (signal === "SIGHUP" && options.kind === "attach") this.#leave.abort();
				else command.signal(signal);
			},
			resized: () => (hasTerminal ? resize() : command.signal("SIGWINCH")),
			suspending: () => this.#terminal?.leave(),
			resumed: () => {
				this.#terminal?.enter();
				if (hasTerminal) resize();
			},
		});
	}

	/** Our terminal is as it was. Idempotent. */
	#giveBack(): void {
		this.#context.signals.release();
		this.#context.line?.end();
		this.#stdout.restore();
		this.#stderr.restore();
		this.#terminal?.leave();
		this.#terminal = null;
	}

	async #finish(end: SessionEnd, { ready, granted }: Opened, hold: BrokerHold): Promise<RunResult> {
		switch (end.kind) {
			case "left": {
				if (this.#options.kind === "attach" || !this.#options.detach) return toInterruptedResult("SIGHUP");
				const id = formatSessionId({ vm: ready.vm, session: granted.session, boot: ready.boot });
				process.stdout.write(`${id}\n`);
				return { status: 0, facts: { by: "detached", session: id } };
			}
			case "lost":
				throw (
					(await hold.reason()) ??
					new QubesLiteError("Internal", `${ready.vm} closed the connection before the command's exit status came`, {
						remedy: statusRemedy(this.#options),
					})
				);
			case "failed":
				process.stderr.write(`${program}: ${toOneLine(end.message)}\n`);
				return toResult(end);
			default:
				return toResult(end);
		}
	}
}

const toOneLine = (message: string): string =>
	toSafeText(message)
		.replaceAll(/[\n\t]/g, " ")
		.slice(0, failureMaxLength);

function tellLost({ lost }: Attached): void {
	const bytes = lost.stdout + lost.stderr;
	if (bytes > 0) process.stderr.write(`${program}: the first ${bytes} bytes of its output are no longer kept\n`);
}
