/** One connection to port 5000: it shows a ticket, begins a session or comes back to one, and carries its streams. */
import type { Socket } from "node:net";
import { QubesLiteError } from "../../errors.ts";
import { type Attach, type Exec, parseAttach, parseExec } from "../../protocol/exec.ts";
import { type Frame, FrameDecoder } from "../../protocol/frame.ts";
import {
	encodeCredit,
	encodeFailed,
	encodeSessionHello,
	type Failure,
	fromClientLimits,
	parseCredit,
	parseResize,
	parseSessionHello,
	parseSignal,
	sessionFrame,
	splitTicketed,
	streamedFromClient,
} from "../../protocol/session.ts";
import { ReceiveWindow, stdinWindowBytes } from "../../protocol/stream-window.ts";
import { agreeOnVersion } from "../../protocol/version.ts";
import type { Take } from "./blocks.ts";
import { StartFailure } from "./command.ts";
import type { Session } from "./session.ts";
import type { Redeemed } from "./tickets.ts";

/** A connection must show its ticket within this; longer than a ticket lives, so that a late one hears "expired". */
const execWithinMs = 15_000;

/** Who was told that there is no session, and why, has this long to read it. */
const leaveWithinMs = 15_000;

export interface SessionHost {
	redeem(ticket: Buffer, bytes: Buffer): Redeemed;
	/** `id` is the number of the ticket that `connection` has shown: from here on it counts as alive. */
	connected(id: number, connection: Connection): void;
	disconnected(id: number): void;
	/** Throws StartFailure. */
	start(id: number, exec: Exec, receivedAt: number): Session;
	/** Throws StartFailure where there is no such session, or it has a client. */
	find(attach: Attach): Session;
	nowMicros(): number;
	/** Somebody said hello and left: a broker that waits for us to dial it. */
	knocked(): void;
	/** Somebody came whose ticket is not valid. */
	refused(): void;
}

export class Connection {
	readonly #socket: Socket;
	readonly #host: SessionHost;
	readonly #deadline: NodeJS.Timeout;
	readonly #decoder = new FrameDecoder(fromClientLimits, streamedFromClient);
	readonly #stdinWindow = new ReceiveWindow(stdinWindowBytes);
	/** The ticket's number, once it has been shown. */
	#id: number | undefined;
	#session: Session | undefined;
	#greeted = false;
	/** Nothing is said any more, and nothing heard: the client has only to close. */
	#over = false;

	/** `open` gives the socket, and what it reads to the function that it is given. */
	constructor(open: (take: Take) => Socket, host: SessionHost) {
		const socket = open((bytes, keep) => {
			try {
				this.#decoder.push(bytes, (frame) => this.#receive(frame, keep));
			} catch (cause) {
				const error = QubesLiteError.from(cause);
				const own = error.code === "Internal" ? "internal" : "refused";
				this.#fail(cause instanceof StartFailure ? cause.failure : own, error.message);
			}
		});
		this.#socket = socket;
		this.#host = host;
		const deadline = setTimeout(() => socket.destroy(), execWithinMs);
		this.#deadline = deadline;
		socket.on("error", () => {});
		/** There is no half-close: what waits to be written would wait for ever. */
		socket.once("end", () => socket.destroy());
		socket.once("close", () => {
			clearTimeout(deadline);
			if (this.#id !== undefined) host.disconnected(this.#id);
			else if (this.#greeted && !this.#over) host.knocked();
			this.#session?.clientLeft();
		});
		socket.write(encodeSessionHello());
	}

	/** The broker says that the client has left; the transport may not. Idempotent. */
	close(): void {
		this.#socket.destroy();
	}

	#receive(frame: Frame, keep: () => () => void): void {
		if (this.#over) return;
		if (!this.#greeted) {
			if (frame.type !== sessionFrame.hello)
				throw new QubesLiteError("BadRequest", "the session must begin with hello");
			agreeOnVersion("this client", parseSessionHello(frame.payload));
			this.#greeted = true;
		} else if (frame.type === sessionFrame.hello) {
			throw new QubesLiteError("BadRequest", "the session has its hello already");
		} else if (frame.type === sessionFrame.exec || frame.type === sessionFrame.attach) {
			if (this.#id !== undefined) throw new QubesLiteError("BadRequest", "the connection has its session already");
			clearTimeout(this.#deadline);
			this.#open(frame);
		} else if (this.#session === undefined) {
			throw new QubesLiteError("BadRequest", "a session must be asked for first");
		} else {
			if (frame.type === sessionFrame.stdin) this.#stdinWindow.received(frame.payload.length);
			this.#pass(frame, this.#session, keep);
		}
	}

	#open({ type, payload }: Frame): void {
		const receivedAt = this.#host.nowMicros();
		const { ticket, bytes } = splitTicketed(payload);
		const redeemed = this.#host.redeem(ticket, bytes);
		if (redeemed.session === null) {
			const isExpired = redeemed.refusal === "expired";
			if (!isExpired) this.#host.refused();
			this.#fail(redeemed.refusal, `the ticket is ${isExpired ? "too old" : "not valid here"}`);
			return;
		}
		this.#id = redeemed.session;
		this.#host.connected(redeemed.session, this);
		if (type === sessionFrame.exec) {
			this.#session = this.#host.start(redeemed.session, parseExec(bytes), receivedAt);
			this.#session.begin(this.#socket);
		} else {
			const attach = parseAttach(bytes);
			this.#session = this.#host.find(attach);
			this.#session.resume(this.#socket, attach.tty);
		}
	}

	#pass(frame: Frame, session: Session, keep: () => () => void): void {
		switch (frame.type) {
			case sessionFrame.stdin: {
				const bytes = frame.payload.length;
				const leave = keep();
				session.write(frame.payload, () => {
					leave();
					this.#consumed(bytes);
				});
				return;
			}
			case sessionFrame.stdinEof:
				session.endInput();
				return;
			case sessionFrame.resize:
				session.resize(parseResize(frame.payload));
				return;
			case sessionFrame.signal:
				session.signal(parseSignal(frame.payload));
				return;
			case sessionFrame.credit: {
				const { stream, bytes } = parseCredit(frame.payload);
				session.credited(stream, bytes);
				return;
			}
			default:
				throw new QubesLiteError("BadRequest", `a frame of type ${frame.type} has no place here`);
		}
	}

	#consumed(bytes: number): void {
		const credit = this.#stdinWindow.consumed(bytes);
		if (credit > 0 && !this.#socket.destroyed) this.#socket.write(encodeCredit("stdin", credit));
	}

	/** A session in progress can't be answered any more: a client that breaks the protocol is treated as one that left. */
	#fail(failure: Failure, message: string): void {
		if (this.#over) return;
		this.#over = true;
		if (this.#session !== undefined) {
			this.close();
			return;
		}
		if (this.#socket.destroyed) return;
		this.#socket.write(encodeFailed(failure, message));
		setTimeout(() => this.close(), leaveWithinMs).unref();
	}
}
