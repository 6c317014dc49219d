/** The client's ends of a session's streams, each with its window (protocol/stream-window.ts). */
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { QubesLiteError } from "../errors.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { dataMaxBytes } from "../protocol/limits.ts";
import { encodeCredit, type Stream, sessionFrame } from "../protocol/session.ts";
import { ReceiveWindow, SendWindow, stdinWindowBytes } from "../protocol/stream-window.ts";

/** Where one output goes. */
export interface OutputSink {
	/** Calls `written` when more may come, with the error of a write that failed. */
	write(bytes: Buffer, written: (error?: Error | null) => void): void;
	/** Nothing more comes. */
	end(): void;
}

export function send(socket: Socket, frame: Buffer): void {
	if (!socket.destroyed) socket.write(frame);
}

/** One output of the command: written on as it comes, with credit for the agent once our reader has taken it. */
export class Output {
	readonly #socket: Socket;
	readonly #stream: Stream;
	readonly #target: OutputSink;
	readonly #onError: (error: Error) => void;
	readonly #window = new ReceiveWindow();
	#hasEnded = false;

	constructor(socket: Socket, stream: Stream, target: OutputSink, onError: (error: Error) => void) {
		this.#socket = socket;
		this.#stream = stream;
		this.#target = target;
		this.#onError = onError;
	}

	/** Throws BadRequest on more than the guest has credit for, and on what comes after the end. */
	write(payload: Buffer): void {
		if (this.#hasEnded)
			throw new QubesLiteError("BadRequest", `the guest broke the protocol: ${this.#stream} had ended`);
		this.#window.received(payload.length);
		this.#target.write(payload, (error) => {
			if (error !== null && error !== undefined) this.#onError(error);
			const credit = this.#window.consumed(payload.length);
			if (credit > 0) send(this.#socket, encodeCredit(this.#stream, credit));
		});
	}

	end(): void {
		if (this.#hasEnded) return;
		this.#hasEnded = true;
		this.#target.end();
	}
}

/** Our standard input on its way to the command, no faster than the guest consumes it. */
export class Input {
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
