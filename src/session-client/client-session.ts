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
	parseStarted,
	sessionFrame,
	toClientLimits,
} from "../protocol/session.ts";
import type { SignalName } from "../protocol/signals.ts";
import { agreeOnVersion } from "../protocol/version.ts";
import { onAbort } from "./on-abort.ts";
import { Input, Output, type OutputSink, send } from "./session-streams.ts";

export type SessionEnd =
	| { readonly kind: "ended"; readonly end: CommandEnd; readonly guestMicros: number }
	| { readonly kind: "failed"; readonly failure: Failure; readonly message: string }
	/** The connection closed without an exit frame: never a success. */
	| { readonly kind: "lost" }
	/** Nobody reads our output any more (EPIPE): what SIGPIPE is to a local command. */
	| { readonly kind: "outputClosed" }
	/** The command has ended, but this signal came before our reader had taken all of its output. */
	| { readonly kind: "interrupted"; readonly signal: SignalName }
	/** We left it (SessionStreams.leave). */
	| { readonly kind: "left" };

/** What can be told to the command while it runs. */
export interface RemoteCommand {
	/** Once the command has ended, a signal that ends programs ends the wait for its output's reader. */
	signal(signal: SignalName): void;
	resize(size: TerminalSize): void;
}

export interface SessionStreams {
	/** null: the command gets an empty standard input. */
	readonly stdin: Readable | null;
	/** Our input is read from when this resolves. */
	readonly mayRead: Promise<void>;
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

/** Resolves with the end; by then the reader of our output has all of it that came, if the end is the command's. Rejects on a peer that breaks the protocol. */
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
	#phase: "hello" | "answer" | "running" | "draining" | "over" = "hello";
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
				/** Behind the exit it says nothing that counts. */
				if (this.#phase !== "draining") this.#fail(QubesLiteError.from(cause));
			}
		});
		socket.once("close", () => {
			if (this.#phase !== "draining") this.#finish({ kind: "lost" });
		});
		socket.on("error", () => {});
		onAbort(grant.startBy, (reason) => {
			if (this.#phase === "hello" || this.#phase === "answer") this.#fail(reason);
		});
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

	/** A command that has ended by itself keeps its status where its last words find no reader, as a local one does. */
	#outputFailed(error: Error): void {
		if (errnoOf(error) !== "EPIPE") {
			const message = `the output cannot be written: ${error.message}`;
			this.#fail(new QubesLiteError("Internal", message, { cause: error }));
		} else if (this.#phase !== "draining") this.#finish({ kind: "outputClosed" });
	}

	/** The command has ended; what it wrote is still on its way to our reader. */
	async #drain(end: SessionEnd): Promise<void> {
		this.#phase = "draining";
		await Promise.all([this.#stdout.drained, this.#stderr.drained]);
		this.#finish(end);
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
		else if (frame.type === sessionFrame.started && kind === "exec") {
			parseStarted(frame.payload);
			this.#begin(null);
		} else if (frame.type === sessionFrame.attached && kind === "attach") this.#begin(parseAttached(frame.payload));
		else throw unexpected(frame);
	}

	/** Who leaves at once (-d) says nothing more, not even that its input has ended. */
	#begin(attached: Attached | null): void {
		this.#phase = "running";
		this.#streams.onStarted(
			{
				signal: (signal) => this.#signal(signal),
				resize: (size) => send(this.#socket, encodeResize(size)),
			},
			attached,
		);
		if (this.#phase !== "running") return;
		const { stdin, mayRead } = this.#streams;
		const isAttached = attached !== null;
		/** Without a terminal its input was closed when it was left alone; with one, it does not end with who came back. */
		if (isAttached && (stdin === null || !attached.isTerminal)) return;
		if (stdin === null) this.#input.start(true);
		else void mayRead.then(() => this.#input.start(!isAttached));
	}

	#signal(signal: SignalName): void {
		if (this.#phase === "running") send(this.#socket, encodeSignal(signal));
		else if (this.#phase === "draining" && endingSignals.includes(signal))
			this.#finish({ kind: "interrupted", signal });
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
				if (!this.#stdout.hasEnded || !this.#stderr.hasEnded) throw unexpected(frame);
				void this.#drain({ kind: "ended", ...parseExit(frame.payload) });
				break;
			default:
				throw unexpected(frame);
		}
	}
}

/** They end a program that does not care; USR1 and USR2 do so too, but are nobody's way to say "enough". */
const endingSignals: readonly SignalName[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

const unexpected = ({ type }: Frame): QubesLiteError =>
	new QubesLiteError("BadRequest", `the guest broke the protocol: a frame of type ${type} has no place there`);
