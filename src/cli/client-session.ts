/** The client's end of a session: exec out, streams both ways, and how the command ended. */
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { encodeFrame, type Frame, FrameDecoder } from "../protocol/frame.ts";
import { dataMaxBytes, protocolVersion } from "../protocol/limits.ts";
import {
	type CommandEnd,
	encodeCredit,
	encodeSessionHello,
	encodeTicketedExec,
	type Failure,
	parseCredit,
	parseExit,
	parseFailed,
	type Stream,
	sessionFrame,
	toClientLimits,
} from "../protocol/session.ts";
import { ReceiveWindow, SendWindow, stdinWindowBytes } from "../protocol/stream-window.ts";

export type SessionEnd =
	| { readonly kind: "ended"; readonly end: CommandEnd; readonly guestMicros: number }
	| { readonly kind: "failed"; readonly failure: Failure; readonly message: string }
	/** The connection closed without an exit frame: never a success. */
	| { readonly kind: "lost" }
	/** Nobody reads our output any more (EPIPE): what SIGPIPE is to a local command. */
	| { readonly kind: "outputClosed" };

export interface SessionStreams {
	/** null: the command gets an empty standard input. */
	readonly stdin: Readable | null;
	readonly stdout: Writable;
	readonly stderr: Writable;
	/** Called when the command is about to speak or has started. */
	readonly onStarted: () => void;
}

export interface SessionGrant {
	readonly ticket: Buffer;
	readonly exec: Buffer;
	/** Its reason ends a session whose command has not started by then. */
	readonly startBy: AbortSignal;
}

/** Resolves with the end; by then all output has been written. Rejects only on a peer that breaks the protocol. */
export async function runSession(
	socket: Socket,
	{ ticket, exec, startBy }: SessionGrant,
	streams: SessionStreams,
): Promise<SessionEnd> {
	const decoder = new FrameDecoder(toClientLimits);
	const input = new Input(socket, streams.stdin);
	try {
		return await new Promise<SessionEnd>((resolve, reject) => {
			const onError = (error: Error): void => {
				if (errnoOf(error) === "EPIPE") resolve({ kind: "outputClosed" });
				else reject(new QubesLiteError("Internal", `the output cannot be written: ${error.message}`, { cause: error }));
			};
			const stdout = new Output(socket, "stdout", streams.stdout, onError);
			const stderr = new Output(socket, "stderr", streams.stderr, onError);
			const receive = (frame: Frame): void => {
				switch (frame.type) {
					case sessionFrame.started:
						input.start();
						streams.onStarted();
						break;
					case sessionFrame.stdout:
						stdout.write(frame.payload);
						break;
					case sessionFrame.stderr:
						stderr.write(frame.payload);
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
			startBy.addEventListener("abort", () => reject(startBy.reason));
			socket.write(Buffer.concat([encodeSessionHello(protocolVersion), encodeTicketedExec(ticket, exec)]));
			socket.resume();
		});
	} finally {
		input.stop();
		socket.destroy();
	}
}

/** One output of the command: written on as it comes, with credit for the agent once our reader has taken it. */
class Output {
	readonly #socket: Socket;
	readonly #stream: Stream;
	readonly #target: Writable;
	readonly #onError: (error: Error) => void;
	readonly #window = new ReceiveWindow();

	constructor(socket: Socket, stream: Stream, target: Writable, onError: (error: Error) => void) {
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
			if (credit > 0 && !this.#socket.destroyed) this.#socket.write(encodeCredit(this.#stream, credit));
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
		if (!this.#socket.destroyed) this.#socket.write(encodeFrame(sessionFrame.stdinEof));
	}
}
