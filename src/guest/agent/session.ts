/**
 * One session: a connection that shows a ticket, gets its command, and carries its streams until exit. Ends when the
 * command has ended and its outputs are drained; or when the client is gone, and then the command is ended too.
 */
import type { Socket } from "node:net";
import { QubesLiteError } from "../../errors.ts";
import { parseExec } from "../../protocol/exec.ts";
import { type Frame, FrameDecoder } from "../../protocol/frame.ts";
import { protocolVersion } from "../../protocol/limits.ts";
import {
	encodeCredit,
	encodeExit,
	encodeFailed,
	encodeSessionHello,
	encodeStarted,
	type Failure,
	fromClientLimits,
	parseCredit,
	sessionFrame,
	splitTicketedExec,
	streamedFromClient,
} from "../../protocol/session.ts";
import { ReceiveWindow, stdinWindowBytes } from "../../protocol/stream-window.ts";
import type { SessionCgroup } from "./cgroup.ts";
import { type Command, StartFailure, startCommand } from "./command.ts";
import type { FifoStock } from "./fifos.ts";
import { OutputPump } from "./output.ts";
import type { Redeemed } from "./tickets.ts";

/** A connection must show its ticket within this; longer than a ticket lives, so that a late one hears "expired". */
const execWithinMs = 15_000;

export interface SessionHost {
	readonly fifos: FifoStock;
	redeem(ticket: Buffer, exec: Buffer): Redeemed;
	/** Makes the session's cgroup and reports the session; throws StartFailure where there are too many. */
	open(session: GuestSession, id: number): SessionCgroup;
	/** The session is over; its cgroup may still be populated. */
	closed(id: number): void;
	nowMicros(): number;
}

export class GuestSession {
	readonly #socket: Socket;
	readonly #host: SessionHost;
	readonly #decoder = new FrameDecoder(fromClientLimits, streamedFromClient);
	#id: number | undefined;
	#cgroup: SessionCgroup | undefined;
	#command: Command | undefined;
	#pump: OutputPump | undefined;
	#stdinEnded = false;
	readonly #stdinWindow = new ReceiveWindow(stdinWindowBytes);
	#over = false;
	#greeted = false;
	/** stdin that came before the command was up. */
	#early: Frame[] = [];

	constructor(socket: Socket, host: SessionHost) {
		this.#socket = socket;
		this.#host = host;
		const deadline = setTimeout(() => socket.destroy(), execWithinMs);
		socket.on("data", (chunk: Buffer) => {
			try {
				for (const frame of this.#decoder.push(chunk)) this.#receive(frame, deadline);
			} catch (cause) {
				this.#fail("refused", QubesLiteError.from(cause).message);
			}
		});
		socket.on("error", () => {});
		socket.once("close", () => {
			clearTimeout(deadline);
			this.clientGone();
		});
		socket.write(encodeSessionHello(protocolVersion));
	}

	#receive(frame: Frame, deadline: NodeJS.Timeout): void {
		if (this.#over) return;
		if (frame.type === sessionFrame.hello) {
			this.#greeted = true;
			return;
		}
		if (!this.#greeted) throw new QubesLiteError("BadRequest", "the session must begin with hello");
		if (frame.type === sessionFrame.exec) {
			if (this.#id !== undefined) throw new QubesLiteError("BadRequest", "the session has its command already");
			clearTimeout(deadline);
			this.#execute(frame.payload, this.#host.nowMicros()).catch((cause: unknown) => {
				const failure = cause instanceof StartFailure ? cause.failure : "internal";
				this.#fail(failure, QubesLiteError.from(cause).message);
			});
		} else if (this.#command === undefined) {
			if (frame.type === sessionFrame.stdin) this.#stdinWindow.received(frame.payload.length);
			this.#early.push(frame);
		} else {
			if (frame.type === sessionFrame.stdin) this.#stdinWindow.received(frame.payload.length);
			this.#input(frame, this.#command);
		}
	}

	async #execute(payload: Buffer, receivedAt: number): Promise<void> {
		const { ticket, exec } = splitTicketedExec(payload);
		const redeemed = this.#host.redeem(ticket, exec);
		if (redeemed.session === null) {
			this.#fail(redeemed.refusal, `the ticket is ${redeemed.refusal === "expired" ? "too old" : "not valid here"}`);
			return;
		}
		this.#id = redeemed.session;
		this.#cgroup = this.#host.open(this, redeemed.session);
		const command = await startCommand(parseExec(exec), this.#cgroup, this.#host.fifos);
		this.#command = command;
		command.stdin.on("error", () => command.stdin.destroy());
		this.#socket.write(encodeStarted(command.pid));
		this.#pump = new OutputPump(this.#socket, command.stdout, command.stderr);
		for (const frame of this.#early.splice(0)) this.#input(frame, command);
		if (this.#socket.destroyed) this.#endGone(command);
		const end = await command.ended;
		this.#pump.commandEnded();
		await this.#pump.drained;
		this.#socket.write(encodeExit({ end, guestMicros: this.#host.nowMicros() - receivedAt }));
		this.#finish();
	}

	#input(frame: Frame, command: Command): void {
		if (frame.type === sessionFrame.stdin) {
			const bytes = frame.payload.length;
			/** Also what a command that has closed its input no longer takes is consumed: the client's writer must not hang. */
			const consumed = (): void => this.#consumed(bytes);
			if (this.#stdinEnded || command.stdin.destroyed) consumed();
			else command.stdin.write(frame.payload, consumed);
		} else if (frame.type === sessionFrame.stdinEof) {
			this.#stdinEnded = true;
			command.stdin.end();
		} else if (frame.type === sessionFrame.credit) {
			const { stream, bytes } = parseCredit(frame.payload);
			if (stream === "stdin") throw new QubesLiteError("BadRequest", "the client can't give credit for its own stream");
			this.#pump?.credited(stream, bytes);
		}
	}

	#consumed(bytes: number): void {
		const credit = this.#stdinWindow.consumed(bytes);
		if (credit > 0 && !this.#socket.destroyed) this.#socket.write(encodeCredit("stdin", credit));
	}

	/** The client left, as the transport or the broker says. Idempotent. */
	clientGone(): void {
		this.#socket.destroy();
		if (this.#command !== undefined && !this.#over) this.#endGone(this.#command);
	}

	#endGone(command: Command): void {
		this.#pump?.destroy();
		command.stdin.destroy();
		this.#cgroup?.end();
	}

	#fail(failure: Failure, message: string): void {
		if (this.#over) return;
		if (this.#command !== undefined) {
			this.clientGone();
			return;
		}
		this.#socket.write(encodeFailed(failure, message));
		this.#finish();
	}

	/**
	 * The last frame is written. The session counts as alive until the client has read it and left: a vm that went down
	 * before would take the end of the output with it.
	 */
	#finish(): void {
		this.#over = true;
		this.#command?.stdin.destroy();
		const close = (): void => {
			if (this.#id !== undefined) this.#host.closed(this.#id);
		};
		if (this.#socket.destroyed) close();
		else this.#socket.once("close", close);
		this.#socket.resume();
	}
}
