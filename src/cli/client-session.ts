/** The client's end of a session: exec or attach out, streams both ways, and how the command ended. */
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { errnoOf, QubesLiteError } from "../errors.ts";
import type { TerminalSize } from "../protocol/exec.ts";
import { encodeFrame, type Frame, FrameDecoder } from "../protocol/frame.ts";
import { dataMaxBytes } from "../protocol/limits.ts";
import {
	type Attached,
	type CommandEnd,
	encodeCredit,
	encodeResize,
	encodeSessionHello,
	encodeSignal,
	encodeTicketedAttach,
	encodeTicketedExec,
	type Failure,
	parseAttached,
	parseCredit,
	parseExit,
	parseFailed,
	parseSessionHello,
	type Stream,
	sessionFrame,
	toClientLimits,
} from "../protocol/session.ts";
import type { SignalName } from "../protocol/signals.ts";
import { ReceiveWindow, SendWindow, stdinWindowBytes } from "../protocol/stream-window.ts";
import { agreeOnVersion } from "../protocol/version.ts";

export type SessionEnd =
	| { readonly kind: "ended"; readonly end: CommandEnd; readonly guestMicros: number }
	| { readonly kind: "failed"; readonly failure: Failure; readonly message: string }
	/** The connection closed without an exit frame: never a success. */
	| { readonly kind: "lost" }
	/** Nobody reads our output any more (EPIPE): what SIGPIPE is to a local command. */
	| { readonly kind: "outputClosed" }
	/** We left it (SessionStreams.leave). */
	| { readonly kind: "left" };

/** What can be told to the command while it runs. */
export interface RemoteCommand {
	signal(signal: SignalName): void;
	resize(size: TerminalSize): void;
}

/** Where one output goes. */
export interface OutputSink {
	/** Calls `written` when more may come, with the error of a write that failed. */
	write(bytes: Buffer, written: (error?: Error | null) => void): void;
	/** Nothing more comes. */
	end(): void;
}

export interface SessionStreams {
	/** null: the command gets an empty standard input. */
	readonly stdin: Readable | null;
	readonly stdout: OutputSink;
	readonly stderr: OutputSink;
	/** Called once the command runs; `attached` where it did before we came. Before any output. */
	readonly onStarted: (command: RemoteCommand, attached: Attached | null) => void;
	/** Ends our part of it, and leaves the rest to the agent. */
	readonly leave: AbortSignal;
}

export interface SessionGrant {
	readonly ticket: Buffer;
	/** A new session by its exec bytes, or one to come back to by its attach bytes. */
	readonly kind: "exec" | "attach";
	readonly bytes: Buffer;
	/** Its reason ends a session whose command has not started by then. */
	readonly startBy: AbortSignal;
}

/** Resolves with the end; by then all output has been handed on. Rejects only on a peer that breaks the protocol. */
export async function runSession(socket: Socket, grant: SessionGrant, streams: SessionStreams): Promise<SessionEnd> {
	const decoder = new FrameDecoder(toClientLimits);
	const input = new Input(socket, streams.stdin);
	const { startBy } = grant;
	const { leave } = streams;
	let abandon: (() => void) | undefined;
	try {
		return await new Promise<SessionEnd>((resolve, reject) => {
			const onError = (error: Error): void => {
				if (errnoOf(error) === "EPIPE") resolve({ kind: "outputClosed" });
				else reject(new QubesLiteError("Internal", `the output cannot be written: ${error.message}`, { cause: error }));
			};
			const stdout = new Output(socket, "stdout", streams.stdout, onError);
			const stderr = new Output(socket, "stderr", streams.stderr, onError);
			const command: RemoteCommand = {
				signal: (signal) => send(socket, encodeSignal(signal)),
				resize: (size) => send(socket, encodeResize(size)),
			};
			let greeted = false;
			const receive = (frame: Frame): void => {
				if (!greeted) {
					if (frame.type !== sessionFrame.hello) throw new QubesLiteError("BadRequest", "the guest did not say hello");
					agreeOnVersion("the guest's agent", parseSessionHello(frame.payload));
					greeted = true;
					return;
				}
				switch (frame.type) {
					case sessionFrame.started:
						streams.onStarted(command, null);
						input.start();
						break;
					case sessionFrame.attached: {
						const attached = parseAttached(frame.payload);
						streams.onStarted(command, attached);
						/** Without a terminal its input was closed when it was left alone. */
						if (attached.isTerminal) input.start();
						break;
					}
					case sessionFrame.stdout:
						stdout.write(frame.payload);
						break;
					case sessionFrame.stderr:
						stderr.write(frame.payload);
						break;
					case sessionFrame.stdoutEof:
						streams.stdout.end();
						break;
					case sessionFrame.stderrEof:
						streams.stderr.end();
						break;
					case sessionFrame.credit:
						input.credited(parseCredit(frame.payload));
						break;
					case sessionFrame.exit:
						resolve({ kind: "ended", ...parseExit(frame.payload) });
						break;
					case sessionFrame.failed:
						resolve({ kind: "failed", ...parseFailed(frame.payload) });
				}
			};
			socket.on("data", (chunk: Buffer) => {
				try {
					for (const frame of decoder.push(chunk)) receive(frame);
				} catch (cause) {
					reject(QubesLiteError.from(cause));
				}
			});
			socket.once("close", () => resolve({ kind: "lost" }));
			socket.on("error", () => {});
			abandon = () => resolve({ kind: "left" });
			leave.addEventListener("abort", abandon);
			startBy.addEventListener("abort", () => reject(startBy.reason));
			if (leave.aborted) abandon();
			const encode = grant.kind === "exec" ? encodeTicketedExec : encodeTicketedAttach;
			socket.write(Buffer.concat([encodeSessionHello(), encode(grant.ticket, grant.bytes)]));
			socket.resume();
		});
	} finally {
		if (abandon !== undefined) leave.removeEventListener("abort", abandon);
		input.stop();
		socket.destroy();
	}
}

function send(socket: Socket, frame: Buffer): void {
	if (!socket.destroyed) socket.write(frame);
}

/** One output of the command: written on as it comes, with credit for the agent once our reader has taken it. */
class Output {
	readonly #socket: Socket;
	readonly #stream: Stream;
	readonly #target: OutputSink;
	readonly #onError: (error: Error) => void;
	readonly #window = new ReceiveWindow();

	constructor(socket: Socket, stream: Stream, target: OutputSink, onError: (error: Error) => void) {
		this.#socket = socket;
		this.#stream = stream;
		this.#target = target;
		this.#onError = onError;
	}

	write(payload: Buffer): void {
		this.#window.received(payload.length);
		this.#target.write(payload, (error) => {
			if (error !== null && error !== undefined) this.#onError(error);
			const credit = this.#window.consumed(payload.length);
			if (credit > 0) send(this.#socket, encodeCredit(this.#stream, credit));
		});
	}
}

/** Our standard input on its way to the command, no faster than the guest consumes it. */
class Input {
	readonly #socket: Socket;
	readonly #stdin: Readable | null;
	readonly #window = new SendWindow(stdinWindowBytes);
	#started = false;

	/** null: the command gets an empty standard input. */
	constructor(socket: Socket, stdin: Readable | null) {
		this.#socket = socket;
		this.#stdin = stdin;
	}

	/** Not before the command has started: what was read for a session that is refused would be missing in the next one. */
	start(): void {
		if (this.#started) return;
		this.#started = true;
		if (this.#stdin === null) {
			this.#end();
			return;
		}
		this.#stdin.on("data", (chunk: Buffer) => this.#send(chunk));
		this.#stdin.once("end", () => this.#end());
		/** A closed or unreadable standard input is an empty one. */
		this.#stdin.once("error", () => this.#end());
	}

	/** Throws BadRequest on credit that nobody owes. */
	credited({ stream, bytes }: { stream: Stream; bytes: number }): void {
		if (stream !== "stdin") throw new QubesLiteError("BadRequest", "the guest can't give credit for its own stream");
		if (this.#window.credited(bytes)) this.#stdin?.resume();
	}

	stop(): void {
		if (!this.#started) return;
		this.#stdin?.removeAllListeners("data");
		this.#stdin?.destroy();
	}

	#send(chunk: Buffer): void {
		for (let at = 0; at < chunk.length; at += dataMaxBytes) {
			this.#socket.write(encodeFrame(sessionFrame.stdin, chunk.subarray(at, at + dataMaxBytes)));
		}
		this.#window.sent(chunk.length);
		if (!this.#window.isOpen) this.#stdin?.pause();
	}

	#end(): void {
		send(this.#socket, encodeFrame(sessionFrame.stdinEof));
	}
}
