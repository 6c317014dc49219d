/** One session of a run, from the request to the end of the command; the terminal is given back as it was. */
import { isatty } from "node:tty";
import { QubesLiteError } from "../errors.ts";
import type { Progress } from "../protocol/broker.ts";
import type { TerminalSize } from "../protocol/exec.ts";
import type { Attached, Failure } from "../protocol/session.ts";
import { formatSessionId } from "../protocol/session-id.ts";
import type { SignalName } from "../protocol/signals.ts";
import { type RemoteCommand, runSession, type SessionEnd } from "../session-client/client-session.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { program } from "./commands/run-in-vm.ts";
import { terminalSize } from "./exec-request.ts";
import { hintFor } from "./not-found-hint.ts";
import { FilteredSink } from "./output-sink.ts";
import type { ProgressLine } from "./progress-line.ts";
import { askTerminalSize, isInForeground, RawTerminal } from "./raw-terminal.ts";
import type { Options } from "./run-arguments.ts";
import { type RunResult, toInterruptedResult, toResult } from "./run-result.ts";
import { say } from "./say.ts";
import { sayNotice } from "./say-notice.ts";
import { type GrantRequest, type Opened, openGrant } from "./session-grant.ts";
import type { SignalForwarder } from "./signal-forwarder.ts";
import { type StartDeadline, statusRemedy, targetOf } from "./start-deadline.ts";

/** A sentence of the guest's, on one line: what follows below it is ours. */
const failureMaxLength = 300;
/** An agent that has a ticket's command in its hands starts it, or says why not, within a second even on a busy host. */
const answerWithinMs = 30_000;
/** The broker says that the vm has ended: what its guest has said before is read by then. */
const goneAfterMs = 1_000;

/** What all attempts of one run share. */
export interface RunContext {
	readonly signals: SignalForwarder;
	/** null where none must be shown. */
	readonly line: ProgressLine | null;
}

export type Request = Pick<GrantRequest, "request" | "bytes"> & {
	/** Of the terminal that is asked for; null where none is. */
	readonly tty: TerminalSize | null;
};

/** One session, from the request to the end of the command. */
export class Attempt {
	readonly #options: Options;
	readonly #request: Request;
	readonly #context: RunContext;
	readonly #stdout: FilteredSink;
	readonly #stderr: FilteredSink;
	readonly #leave = new AbortController();
	readonly #mayRead = Promise.withResolvers<void>();
	#terminal: RawTerminal | null = null;
	#leftBy: SignalName = "SIGHUP";

	constructor(options: Options, request: Request, context: RunContext) {
		this.#options = options;
		this.#request = request;
		this.#context = context;
		this.#stdout = new FilteredSink(process.stdout, options.filter);
		this.#stderr = new FilteredSink(process.stderr, options.filter);
	}

	/** "expired": nothing has been run. */
	async run(deadline: StartDeadline): Promise<RunResult | "expired"> {
		let opened: Opened | undefined;
		try {
			const onProgress = (progress: Progress): void => this.#context.line?.note(progress, targetOf(this.#options));
			const onNotice = this.#options.quiet ? () => {} : sayNotice;
			opened = await openGrant({ ...this.#request, onProgress, onNotice, deadline: deadline.signal });
			const { guest, hold } = opened;
			void hold.told.then(() => setTimeout(() => guest.destroy(), goneAfterMs).unref());
			const end = await this.#converse(opened, deadline);
			this.#giveBack();
			if (end.kind === "failed" && end.failure === "expired") return "expired";
			return await this.#finish(end, opened);
		} finally {
			this.#giveBack();
			opened?.hold.end();
		}
	}

	async #converse(opened: Opened, deadline: StartDeadline): Promise<SessionEnd> {
		const { kind } = this.#options;
		const { bytes } = this.#request;
		const silence = new AbortController();
		const { vm } = opened.ready;
		const timer = setTimeout(() => {
			const why = `the agent in ${vm} does not answer`;
			silence.abort(new QubesLiteError("Unresponsive", why, { remedy: `qubes-lite status ${vm}` }));
		}, answerWithinMs);
		try {
			return await runSession(
				opened.guest,
				{
					ticket: opened.granted.ticket,
					kind: kind === "run" ? "exec" : "attach",
					bytes,
					startBy: AbortSignal.any([deadline.signal, silence.signal]),
				},
				{
					stdin: this.#takesInput() ? process.stdin : null,
					mayRead: this.#mayRead.promise,
					stdout: this.#stdout,
					stderr: this.#stderr,
					leave: this.#leave.signal,
					onStarted: (command, attached) => {
						deadline.end();
						clearTimeout(timer);
						this.#context.line?.end();
						this.#started(command, attached);
					},
				},
			);
		} finally {
			clearTimeout(timer);
		}
	}

	/** A detached command has nobody who types. */
	#takesInput(): boolean {
		return this.#options.stdin && !(this.#options.kind === "run" && this.#options.detach);
	}

	#started(command: RemoteCommand, attached: Attached | null): void {
		const options = this.#options;
		const { tty } = this.#request;
		const hasTerminal = attached?.isTerminal ?? tty !== null;
		this.#stdout.begin(hasTerminal);
		this.#stderr.begin(hasTerminal);
		if (options.kind === "run" && options.detach) {
			this.#leave.abort();
			return;
		}
		if (attached !== null) tellLost(attached);
		const takesKeys = hasTerminal && this.#takesInput();
		this.#terminal = takesKeys ? RawTerminal.on(process.stdin) : null;
		if (this.#terminal !== null && isInForeground()) this.#terminal.enter();
		/** In raw mode no key ends the input: the terminal itself is gone. */
		if (this.#terminal !== null) {
			process.stdin.once("end", () => this.#leave.abort());
			process.stdin.once("error", () => this.#leave.abort());
		}
		const resize = (size = terminalSize(process)): void => command.resize(size);
		/** It may have been resized since we asked for it. */
		if (tty !== null && !isSameSize(tty, terminalSize(process))) resize();
		this.#readInForeground();
		this.#context.signals.use({
			forward: (signal) => {
				/** Who came back to a session leaves it again with the terminal; the session is not theirs alone. */
				if (signal === "SIGHUP" && options.kind === "attach") this.#leave.abort();
				else command.signal(signal);
			},
			resized: () => (hasTerminal ? resize() : command.signal("SIGWINCH")),
			suspending: () => this.#terminal?.leave(),
			resumed: () => {
				this.#readInForeground();
				this.#terminal?.enterAgain();
				if (hasTerminal && isatty(0)) resize(askTerminalSize() ?? undefined);
			},
			insisted: (signal) => {
				this.#leftBy = signal;
				this.#leave.abort();
			},
		});
	}

	/** A shell that brings us to the foreground says so by CONT. */
	#readInForeground(): void {
		if (!isatty(0) || isInForeground()) this.#mayRead.resolve();
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

	async #finish(end: SessionEnd, { ready, granted, hold }: Opened): Promise<RunResult> {
		switch (end.kind) {
			case "left": {
				if (this.#options.kind === "attach" || !this.#options.detach) return toInterruptedResult(this.#leftBy);
				const id = formatSessionId({ vm: ready.vm, session: granted.session, boot: ready.boot });
				await this.#tellId(id);
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
				process.stderr.write(`${program}: ${toOneLine(end.message)}\n${this.#hint(end.failure)}`);
				return toResult(end);
			default:
				return toResult(end);
		}
	}

	/** What is not found may be no command: an option behind the vm, a line for a shell, or a program of another image. */
	#hint(failure: Failure): string {
		const options = this.#options;
		if (failure !== "notFound" || options.kind !== "run") return "";
		return `  → ${hintFor(options.command[0] ?? "", options.disposable)}\n`;
	}

	/** The command runs on whatever becomes of its id: then the error says it. */
	async #tellId(id: string): Promise<void> {
		await say(`${id}\n`).catch((cause: unknown) => {
			const why = `the command runs on as ${id}, but that cannot be written: ${QubesLiteError.from(cause).message}`;
			throw new QubesLiteError("Internal", why, { remedy: `${program} --attach ${id}`, cause });
		});
	}
}

const isSameSize = (a: TerminalSize, b: TerminalSize): boolean => a.rows === b.rows && a.columns === b.columns;

const toOneLine = (message: string): string =>
	toSafeText(message)
		.replaceAll(/[\n\t]/g, " ")
		.slice(0, failureMaxLength);

function tellLost({ lost }: Attached): void {
	const bytes = lost.stdout + lost.stderr;
	if (bytes > 0) process.stderr.write(`${program}: the first ${bytes} bytes of its output are no longer kept\n`);
}
