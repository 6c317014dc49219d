/** A connection to the broker. Its frames go to whoever listens; what comes while nobody does is kept for who listens next. */
import type { Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import { fromBrokerLimits } from "../protocol/broker.ts";
import { type Frame, FrameDecoder } from "../protocol/frame.ts";

export interface BrokerListener {
	/** What it throws is `failed`. */
	frame(frame: Frame): void;
	/** The broker, or what it said, is not to be understood; the connection closes. */
	failed(error: QubesLiteError): void;
	closed(): void;
}

export class BrokerConnection {
	readonly #socket: Socket;
	readonly #kept: Frame[] = [];
	#listener: BrokerListener | undefined;
	#isClosed = false;

	constructor(socket: Socket) {
		this.#socket = socket;
		const decoder = new FrameDecoder(fromBrokerLimits);
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, (frame) => this.#take(frame));
			} catch (cause) {
				this.#listener?.failed(QubesLiteError.from(cause));
				socket.destroy();
			}
		});
		/** `close` follows, and says what there is to say. */
		socket.on("error", () => {});
		socket.once("close", () => {
			this.#isClosed = true;
			this.#listener?.closed();
		});
	}

	/** In the place of who listened before; null: nobody for now. */
	listen(listener: BrokerListener | null): void {
		this.#listener = listener ?? undefined;
		while (this.#kept.length > 0 && this.#listener !== undefined) this.#listener.frame(this.#kept.shift() as Frame);
		if (this.#isClosed) this.#listener?.closed();
	}

	send(frame: Buffer): void {
		if (!this.#socket.destroyed) this.#socket.write(frame);
	}

	/** What comes stays with the broker until resume(), but for what is on its way. */
	pause(): void {
		this.#socket.pause();
	}

	resume(): void {
		this.#socket.resume();
	}

	/** Idempotent. */
	close(): void {
		this.#socket.destroy();
	}

	#take(frame: Frame): void {
		if (this.#listener === undefined) this.#kept.push(frame);
		else this.#listener.frame(frame);
	}
}
