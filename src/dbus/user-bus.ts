/** The user's D-Bus, as a client: calls that end, and signals as a stream. Whatever comes over it, it can only end the connection. */
import type { Socket } from "node:net";
import { type Observable, Subject } from "rxjs";
import { busItself } from "./bus-names.ts";
import { openBusSocket } from "./bus-socket.ts";
import { BusWriter } from "./bus-writer.ts";
import type { IncomingMessage, OutgoingMessage } from "./message-codec.ts";
import { openFirst, type UserBusPlace } from "./user-bus-place.ts";

/** The D-Bus specification leaves it to callers; libdbus and sd-bus wait 25 s. */
const callWithinMs = 25_000;
const connectWithinMs = 5_000;

export interface BusCall {
	readonly destination: string;
	readonly path: string;
	readonly interface: string;
	readonly member: string;
	/** D-Bus type signature of `body`. */
	readonly signature?: string;
	readonly body?: readonly unknown[];
	/** Whoever is not there is not started for it. */
	readonly noAutoStart?: true;
	/** For the reply; 25 s if absent. */
	readonly withinMs?: number;
}

export interface BusSignal {
	/** Who says it: a unique name, or the bus itself. */
	readonly sender: string;
	readonly path: string;
	readonly interface: string;
	readonly member: string;
	readonly body: readonly unknown[];
}

/** An error that the callee has sent. */
export class BusError extends Error {
	/** Such as "org.freedesktop.systemd1.NoSuchUnit". */
	readonly errorName: string;

	constructor(errorName: string, message: string) {
		super(message);
		this.name = "BusError";
		this.errorName = errorName;
	}
}

type Codec = typeof import("./message-codec.ts");
type Pending = Pick<PromiseWithResolvers<readonly unknown[]>, "resolve" | "reject">;

export class UserBus {
	readonly #codec: Codec;
	readonly #socket: Socket;
	readonly #writer: BusWriter;
	/** What has come, as far as it was not looked at yet. */
	#incoming: Iterator<IncomingMessage, void> | undefined;
	readonly #closed = Promise.withResolvers<void>();
	#isClosed = false;
	readonly #listeners = new Set<() => void>();
	#lastSerial = 0;
	readonly #pending = new Map<number, Pending>();
	readonly #signals = new Subject<BusSignal>();
	/** Every signal that a match rule of ours lets through. */
	readonly signals: Observable<BusSignal> = this.#signals.asObservable();
	#serve: ((call: IncomingMessage) => void) | undefined;

	private constructor(codec: Codec, socket: Socket) {
		this.#codec = codec;
		this.#socket = socket;
		this.#writer = new BusWriter(socket, {
			hasRoom: () => this.#readOn(),
			isStuck: () => this.#close("it does not read"),
		});
		const reader = new codec.MessageReader();
		socket.on("data", (piece: Buffer) => {
			this.#incoming = reader.read(piece);
			this.#readOn();
		});
		socket.on("error", (cause) => this.#close(cause.message));
		socket.once("end", () => this.#close("it hung up"));
		socket.write("BEGIN\r\n");
	}

	/** Rejects with the reasons where none of its addresses works, or there is none. */
	static async connect(place: UserBusPlace | undefined): Promise<UserBus> {
		/** Loaded when first needed: most of a broker's life does without. */
		const codec = await import("./message-codec.ts");
		return openFirst(place, async ({ path }) => {
			const connected = new UserBus(codec, await openBusSocket(path, connectWithinMs));
			try {
				await connected.#ask({ ...busItself, member: "Hello" }, connectWithinMs);
				return connected;
			} catch (cause) {
				connected.close();
				throw cause;
			}
		});
	}

	/** Resolves when the connection is gone; then calls reject. */
	get closed(): Promise<void> {
		return this.#closed.promise;
	}

	/** The reply's body. Rejects with BusError for what the callee refuses; within 25 s in any case, or as the call says. */
	call({ withinMs = callWithinMs, ...call }: BusCall): Promise<readonly unknown[]> {
		return this.#ask(call, withinMs);
	}

	/** Calls `listener` when the connection is gone, unless it has been forgotten: unlike `closed` it keeps nothing for ever. */
	onClose(listener: () => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** For the life of the connection. */
	async addMatch(rule: string): Promise<void> {
		await this.call({ ...busItself, member: "AddMatch", signature: "s", body: [rule] });
	}

	/** From now on `serve` hears who calls us, and answers by send(); until then they are refused. It must not throw. */
	onCall(serve: (call: IncomingMessage) => void): void {
		this.#serve = serve;
	}

	/** A signal, a reply or an error. What can't be sent any more is dropped. Throws where the body does not fit its signature. */
	send(message: Omit<OutgoingMessage, "serial">): void {
		const bytes = this.#codec.encodeMessage({ ...message, serial: this.#nextSerial() });
		if (!this.#isClosed) this.#writer.write(bytes);
	}

	/** As send(), once the bus has taken most of what was sent before: for what is long. Resolves then; rejects where send() throws. */
	sendInTurn(message: Omit<OutgoingMessage, "serial">): Promise<void> {
		return new Promise((resolve, reject) => {
			this.#writer.inTurn(() => {
				try {
					resolve(this.send(message));
				} catch (cause) {
					reject(cause);
				}
			});
		});
	}

	/** Idempotent. */
	close(): void {
		this.#close("closed by us");
	}

	/** Unlike `value`, which may be the library's Variant. */
	static unwrap(value: unknown): unknown {
		return value !== null && typeof value === "object" && "signature" in value && "value" in value
			? value.value
			: value;
	}

	async #ask(
		{ signature = "", body = [], noAutoStart, ...call }: BusCall,
		withinMs: number,
	): Promise<readonly unknown[]> {
		if (this.#isClosed) throw new Error("the connection to the user's D-Bus is closed");
		const { promise, resolve, reject } = Promise.withResolvers<readonly unknown[]>();
		const late = () => reject(new Error(`${call.member} was not answered within ${withinMs / 1000} s`));
		const timer = setTimeout(late, withinMs).unref();
		const serial = this.#nextSerial();
		this.#pending.set(serial, { resolve, reject });
		try {
			const { encodeMessage, messageFlags, messageType } = this.#codec;
			const flags = noAutoStart === true ? messageFlags.noAutoStart : 0;
			this.#writer.write(encodeMessage({ ...call, type: messageType.call, flags, serial, signature, body }));
			return await promise;
		} finally {
			clearTimeout(timer);
			this.#pending.delete(serial);
		}
	}

	/** Who asks for more than the bus takes from us waits there: what they have sent we don't read, and what we have read we don't look at. */
	#readOn(): void {
		try {
			while (!this.#writer.isFull) {
				const { done, value } = this.#incoming?.next() ?? { done: true };
				if (done === true || value === undefined) {
					this.#socket.resume();
					return;
				}
				this.#receive(value);
			}
			this.#socket.pause();
		} catch (cause) {
			this.#close(cause instanceof Error ? cause.message : String(cause));
		}
	}

	#receive(message: IncomingMessage): void {
		const { messageType } = this.#codec;
		const { type, sender, path, interface: name, member, errorName, replySerial } = message;
		if (this.#isClosed) return;
		if (type === messageType.signal) {
			const body = readSignal(message);
			if (body !== null) this.#signals.next({ sender, path, interface: name, member, body });
		} else if (type === messageType.reply) this.#pending.get(replySerial)?.resolve(message.read());
		else if (type === messageType.error) {
			if (!this.#pending.has(replySerial)) return;
			const [first] = message.read();
			const text = typeof first === "string" ? first : errorName;
			this.#pending.get(replySerial)?.reject(new BusError(errorName, text));
		} else if (type === messageType.call) {
			if (this.#serve !== undefined) this.#serve(message);
			else if (message.expectsReply) this.#refuse(message);
		}
	}

	/** Nothing of ours can be called; who tries is not left waiting. */
	#refuse({ sender: destination, serial: replySerial }: IncomingMessage): void {
		const refusal = { errorName: "org.freedesktop.DBus.Error.UnknownMethod", signature: "s", body: ["no such method"] };
		this.send({ ...refusal, destination, replySerial, type: this.#codec.messageType.error });
	}

	/** 32 bits, and never 0. */
	#nextSerial(): number {
		this.#lastSerial = (this.#lastSerial % 0xffff_ffff) + 1;
		return this.#lastSerial;
	}

	#close(why: string): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#socket.destroy();
		this.#writer.end();
		const lost = new Error(`the connection to the user's D-Bus is lost: ${why}`);
		for (const { reject } of this.#pending.values()) reject(lost);
		for (const listener of this.#listeners) listener();
		this.#listeners.clear();
		this.#closed.resolve();
	}
}

/** null: anybody may have sent it to us alone, and it tells us nothing. Throws where we have asked for it. */
function readSignal(message: IncomingMessage): readonly unknown[] | null {
	try {
		return message.read();
	} catch (cause) {
		if (message.destination === "") throw cause;
		return null;
	}
}
