/** The client's end of a session: exec or attach out, streams both ways, and how the command ended. */
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { errnoOf, QubesLiteError } from "../errors.ts";
import type { TerminalSize } from "../protocol/exec.ts";
import { type Frame, FrameDecoder } from "../protocol/frame.ts";
import {
	type Attached,
	type CommandEnd,
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
	sessionFrame,
	toClientLimits,
} from "../protocol/session.ts";
import type { SignalName } from "../protocol/signals.ts";
import { agreeOnVersion } from "../protocol/version.ts";
import { Input, Output, type OutputSink, send } from "./session-streams.ts";

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

/** Resolves with the end; by then all output has been handed on. Rejects on a peer that breaks the protocol. */
export async function runSession(socket: Socket, grant: SessionGrant, streams: SessionStreams): Promise<SessionEnd> {
	const session = new ClientSession(socket, grant, streams);
	const leave = (): void => session.leave();
	streams.leave.addEventListener("abort", leave);
	try {
		if (streams.leave.aborted) leave();
		return await session.ended;
	} finally {
		streams.leave.removeEventListener("abort", leave);
		session.close();
	}
}

class ClientSession {
	readonly #socket: Socket;
	readonly #grant: SessionGrant;
	readonly #streams: SessionStreams;
	readonly #input: Input;
	readonly #stdout: Output;
	readonly #stderr: Output;
	/** What may come next: nothing reaches the user's terminal before it is known how to show it. */
	#phase: "hello" | "answer" | "running" | "over" = "hello";
	readonly #end = Promise.withResolvers<SessionEnd>();
	readonly ended = this.#end.promise;

	constructor(socket: Socket, grant: SessionGrant, streams: SessionStreams) {
		this.#socket = socket;
		this.#grant = grant;
		this.#streams = streams;
		const onError = (error: Error): void => this.#outputFailed(error);
		this.#input = new Input(socket, streams.stdin);
		this.#stdout = new Output(socket, "stdout", streams.stdout, onError);
		this.#stderr = new Output(socket, "stderr", streams.stderr, onError);
		const decoder = new FrameDecoder(toClientLimits);
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, (frame) => this.#receive(frame));
			} catch (cause) {
				this.#fail(QubesLiteError.from(cause));
			}
		});
		socket.once("close", () => this.#finish({ kind: "lost" }));
		socket.on("error", () => {});
		const { startBy } = grant;
		startBy.addEventListener("abort", () => this.#fail(startBy.reason));
		const encode = grant.kind === "exec" ? encodeTicketedExec : encodeTicketedAttach;
		socket.write(Buffer.concat([encodeSessionHello(), encode(grant.ticket, grant.bytes)]));
		socket.resume();
	}

	leave(): void {
		this.#finish({ kind: "left" });
	}

	close(): void {
		this.#phase = "over";
		this.#input.stop();
		this.#socket.destroy();
	}

	#finish(end: SessionEnd): void {
		this.#phase = "over";
		this.#end.resolve(end);
	}

	#fail(cause: unknown): void {
		this.#phase = "over";
		this.#end.reject(cause);
	}

	#outputFailed(error: Error): void {
		if (errnoOf(error) === "EPIPE") this.#finish({ kind: "outputClosed" });
		else this.#fail(new QubesLiteError("Internal", `the output cannot be written: ${error.message}`, { cause: error }));
	}

	#receive(frame: Frame): void {
		if (this.#phase === "hello") this.#greet(frame);
		else if (this.#phase === "answer") this.#answer(frame);
		else if (this.#phase === "running") this.#run(frame);
	}

	#greet(frame: Frame): void {
		if (frame.type !== sessionFrame.hello) throw unexpected(frame);
		agreeOnVersion("the guest's agent", parseSessionHello(frame.payload));
		this.#phase = "answer";
	}

	#answer(frame: Frame): void {
		const { kind } = this.#grant;
		if (frame.type === sessionFrame.failed) this.#finish({ kind: "failed", ...parseFailed(frame.payload) });
		else if (frame.type === sessionFrame.started && kind === "exec") this.#begin(null);
		else if (frame.type === sessionFrame.attached && kind === "attach") this.#begin(parseAttached(frame.payload));
		else throw unexpected(frame);
	}

	/** Who leaves at once (-d) says nothing more, not even that its input has ended. */
	#begin(attached: Attached | null): void {
		this.#phase = "running";
		this.#streams.onStarted(
			{
				signal: (signal) => send(this.#socket, encodeSignal(signal)),
				resize: (size) => send(this.#socket, encodeResize(size)),
			},
			attached,
		);
		if (this.#phase !== "running") return;
		/** Without a terminal its input was closed when it was left alone. */
		if (attached === null || attached.isTerminal) this.#input.start();
	}

	#run(frame: Frame): void {
		switch (frame.type) {
			case sessionFrame.stdout:
				this.#stdout.write(frame.payload);
				break;
			case sessionFrame.stderr:
				this.#stderr.write(frame.payload);
				break;
			case sessionFrame.stdoutEof:
				this.#stdout.end();
				break;
			case sessionFrame.stderrEof:
				this.#stderr.end();
				break;
			case sessionFrame.credit:
				this.#input.credited(parseCredit(frame.payload));
				break;
			case sessionFrame.exit:
				this.#finish({ kind: "ended", ...parseExit(frame.payload) });
				break;
			default:
				throw unexpected(frame);
		}
	}
}

const unexpected = ({ type }: Frame): QubesLiteError =>
	new QubesLiteError("BadRequest", `the guest broke the protocol: a frame of type ${type} has no place there`);
