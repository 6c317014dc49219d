/** One client on broker.sock: takes its request, gives it to whoever serves it, and frames the answers. */
import type { Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import { type BrokerRequest, brokerFrame, encodeReply, parseRequest, toBrokerLimits } from "../protocol/broker.ts";
import { encodeJsonFrame, FrameDecoder } from "../protocol/frame.ts";

/** A client that has connected says what it wants at once. */
const requestWithinMs = 10_000;
/** And reads its last word soon; one that does not is let go of, and hears nothing of why. */
const lastWordMs = 10_000;

/** Whoever asks for a session: a client on the socket, or the broker itself for a program on the bus. */
export interface SessionClient {
	/** Aborts when it is gone, or wants it no more. */
	readonly gone: AbortSignal;
	/** A frame of the broker's. */
	send(frame: Buffer): void;
}

export class ClientConnection implements SessionClient {
	readonly #socket: Socket;
	readonly #lastWordWithinMs: number;
	readonly #gone = new AbortController();

	constructor(socket: Socket, lastWordWithinMs = lastWordMs) {
		this.#socket = socket;
		this.#lastWordWithinMs = lastWordWithinMs;
		socket.on("error", () => {});
		socket.once("close", this.#left);
	}

	readonly #left = (): void => this.#gone.abort();

	/** Aborts when the client is gone; not when it was cut. */
	get gone(): AbortSignal {
		return this.#gone.signal;
	}

	/** The request, with the exec or attach bytes that follow some. Rejects on what is not one; never resolves for a client that leaves. */
	receive(): Promise<{ request: BrokerRequest; bytes: Buffer | null }> {
		const decoder = new FrameDecoder(toBrokerLimits);
		return new Promise((resolve, reject) => {
			let request: BrokerRequest | undefined;
			const deadline = setTimeout(() => {
				reject(new QubesLiteError("BadRequest", `no request came within ${requestWithinMs / 1000} s`));
			}, requestWithinMs);
			this.gone.addEventListener("abort", () => clearTimeout(deadline));
			this.#socket.on("data", (chunk: Buffer) => {
				try {
					decoder.push(chunk, (frame) => {
						if (request === undefined) {
							if (frame.type !== brokerFrame.request)
								throw new QubesLiteError("BadRequest", "a request must come first");
							request = parseRequest(frame.payload);
							if (hasBytes(request)) return;
							clearTimeout(deadline);
							resolve({ request, bytes: null });
						} else if (hasBytes(request) && frame.type === brokerFrame.exec) {
							clearTimeout(deadline);
							resolve({ request, bytes: frame.payload });
						}
					});
				} catch (cause) {
					clearTimeout(deadline);
					reject(QubesLiteError.from(cause));
				}
			});
		});
	}

	/** The broker leaves, and the client does not: nobody is told that it is gone, and it asks the next broker. */
	cut(): void {
		this.#socket.off("close", this.#left);
		this.#socket.destroy();
	}

	/** What it has not taken, beside what the kernel holds for it. */
	get waitingBytes(): number {
		return this.#socket.writableLength;
	}

	send(frame: Buffer): void {
		if (!this.#socket.destroyed) this.#socket.write(frame);
	}

	/** A reply behind which the connection stays open. */
	tell(value: object): void {
		this.send(encodeReply(value));
	}

	reply(value: object): void {
		this.#finish(encodeReply(value));
	}

	refuse(error: QubesLiteError): void {
		this.#finish(encodeJsonFrame(brokerFrame.refused, error.toFacts()));
	}

	/** Closes behind the last word, without waiting for the client to do the same: it would keep the broker from leaving. */
	#finish(frame: Buffer): void {
		if (this.#socket.destroyed) return;
		this.#socket.end(frame);
		this.#socket.destroySoon();
		const late = setTimeout(() => this.#socket.destroy(), this.#lastWordWithinMs);
		this.#socket.once("close", () => clearTimeout(late));
	}
}

/** Some requests are for a ticket, and it is for bytes that follow. */
const hasBytes = ({ method }: BrokerRequest): boolean => method === "run" || method === "attach";
