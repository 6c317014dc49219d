/** The client's ends of a session's streams, each with its window (protocol/stream-window.ts). */
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { QubesLiteError } from "../errors.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { dataMaxBytes } from "../protocol/limits.ts";
import { encodeCredit, type Stream, sessionFrame } from "../protocol/session.ts";
import { ReceiveWindow, SendWindow, stdinWindowBytes } from "../protocol/stream-window.ts";
import { Pieces } from "./pieces.ts";

/** Where one output goes. */
export interface OutputSink {
	/** Calls `written` once, when more may come, with the error of a write that failed. */
	write(bytes: Buffer, written: (error?: Error | null) => void): void;
	/** Nothing more comes. Calls `written` like a write. */
	end(written: (error?: Error | null) => void): void;
}

export function send(socket: Socket, frame: Buffer): void {
	if (!socket.destroyed) socket.write(frame);
}

/**
 * One output of the command: written on as it comes, one write at a time, with credit for the agent once our reader has
 * taken it. What waits meanwhile is at most a window and a frame, in pieces that are worth their keeping.
 */
export class Output {
	readonly #socket: Socket;
	readonly #stream: Stream;
	readonly #target: OutputSink;
	readonly #onError: (error: Error) => void;
	readonly #window = new ReceiveWindow();
	readonly #waiting = new Pieces();
	readonly #drained = Promise.withResolvers<void>();
	#isWriting = false;
	#hasEnded = false;

	constructor(socket: Socket, stream: Stream, target: OutputSink, onError: (error: Error) => void) {
		this.#socket = socket;
		this.#stream = stream;
		this.#target = target;
		this.#onError = onError;
	}

	get hasEnded(): boolean {
		return this.#hasEnded;
	}

	/** Resolves when the output has ended and our reader has all of it, or a write has failed, of which `onError` was told. */
	get drained(): Promise<void> {
		return this.#drained.promise;
	}

	/** Throws BadRequest on more than the guest has credit for, on nothing, which costs no credit, and on what comes after the end. */
	write(payload: Buffer): void {
		if (this.#hasEnded || payload.length === 0) {
			const why = this.#hasEnded ? `${this.#stream} had ended` : `it sent ${this.#stream} without a byte`;
			throw new QubesLiteError("BadRequest", `the guest broke the protocol: ${why}`);
		}
		this.#window.received(payload.length);
		if (this.#isWriting) this.#waiting.add(payload);
		else this.#pass(payload);
	}

	/** Idempotent. */
	end(): void {
		if (this.#hasEnded) return;
		this.#hasEnded = true;
		if (!this.#isWriting) this.#finish();
	}

	#pass(bytes: Buffer): void {
		this.#isWriting = true;
		this.#target.write(bytes, (error) => {
			this.#isWriting = false;
			if (this.#hasFailed(error)) return;
			const credit = this.#window.consumed(bytes.length);
			if (credit > 0) send(this.#socket, encodeCredit(this.#stream, credit));
			const next = this.#waiting.take();
			if (next !== undefined) this.#pass(next);
			else if (this.#hasEnded) this.#finish();
		});
	}

	#finish(): void {
		this.#target.end((error) => {
			if (!this.#hasFailed(error)) this.#drained.resolve();
		});
	}

	#hasFailed(error: Error | null | undefined): boolean {
		if (error === null || error === undefined) return false;
		this.#onError(error);
		this.#drained.resolve();
		return true;
	}
}

/** Our standard input on its way to the command, no faster than the guest consumes it. */
export class Input {
	readonly #socket: Socket;
	readonly #stdin: Readable | null;
	readonly #window = new SendWindow(stdinWindowBytes);
	#started = false;
	#hasStopped = false;

	/** null: the command gets an empty standard input. */
	constructor(socket: Socket, stdin: Readable | null) {
		this.#socket = socket;
		this.#stdin = stdin;
	}

	/**
	 * Not before the command has started: what was read for a session that is refused would be missing in the next one.
	 * Without `endsCommands` the end of our input is not the end of the command's.
	 */
	start(endsCommands: boolean): void {
		if (this.#hasStopped) return;
		this.#started = true;
		const end = (): void => {
			if (endsCommands) send(this.#socket, encodeFrame(sessionFrame.stdinEof));
		};
		if (this.#stdin === null) {
			end();
			return;
		}
		this.#stdin.on("data", (chunk: Buffer) => this.#send(chunk));
		this.#stdin.once("end", end);
		/** A closed or unreadable standard input is an empty one. */
		this.#stdin.once("error", end);
	}

	/** Throws BadRequest on credit that nobody owes. */
	credited({ stream, bytes }: { stream: Stream; bytes: number }): void {
		if (stream !== "stdin") throw new QubesLiteError("BadRequest", "the guest can't give credit for its own stream");
		if (this.#window.credited(bytes)) this.#stdin?.resume();
	}

	/** Idempotent. */
	stop(): void {
		this.#hasStopped = true;
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
}
