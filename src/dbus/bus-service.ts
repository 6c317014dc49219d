/**
 * A name on the user's bus, and the objects behind it. The connection is made anew when it is lost, and the name is taken again; a
 * name that somebody else has is waited for in the bus's queue.
 */

import { joinSignature } from "./interface-spec.ts";
import { callMaxBytes, type IncomingMessage, messageType } from "./message-codec.ts";
import { type Caller, type Reply, type ServedInterface, ServedObjects, toProperties } from "./served-objects.ts";
import { BusError, UserBus } from "./user-bus.ts";
import type { UserBusPlace } from "./user-bus-place.ts";

/** A bus that is restarted is back within a second or two; one that is not there is not looked for all day. */
const reconnectMs = { first: 250, most: 10_000 };
/** Of all callers together: each is a question that waits for a vm. */
const pendingMax = 1024;

const bus = {
	destination: "org.freedesktop.DBus",
	path: "/org/freedesktop/DBus",
	interface: "org.freedesktop.DBus",
} as const;

/** Of every name that nobody has any more: callers that have left. One rule for all of them. */
const leavingRule = `type='signal',sender='${bus.destination}',interface='${bus.interface}',member='NameOwnerChanged',arg2=''`;

export interface BusServiceOptions {
	/** The name that is taken. */
	readonly name: string;
	readonly objects: ServedObjects;
	/** As a caller is told of what a method threw. */
	readonly toError: (cause: unknown) => BusError;
	/** Called when the last pending call was answered. */
	readonly quiet: () => void;
	/** The name is ours. */
	readonly acquired: () => void;
	/** It is not, any more or yet, and why. */
	readonly absent: (cause: unknown) => void;
}

export class BusService {
	readonly #options: BusServiceOptions;
	#bus: UserBus | undefined;
	/** By their unique names: what is done when they leave. */
	readonly #callers = new Map<string, Set<() => void>>();
	#pending = 0;
	/** Ever heard. */
	#calls = 0;
	#isClosed = false;
	#isReleased = false;

	private constructor(options: BusServiceOptions) {
		this.#options = options;
	}

	/** Goes on until close(). */
	static start(place: UserBusPlace, options: BusServiceOptions): BusService {
		const service = new BusService(options);
		void service.#keepConnected(place);
		return service;
	}

	/** Calls that are not answered yet. */
	get pending(): number {
		return this.#pending;
	}

	/**
	 * Gives the name back, so that who calls now starts another broker. Resolves with true when nobody has called us until then and
	 * nobody waits for an answer: then nothing is lost if we end. Else the name is ours again.
	 */
	async release(): Promise<boolean> {
		const [calls, connection] = [this.#calls, this.#bus];
		if (connection === undefined) return true;
		this.#isReleased = true;
		/** What was sent to us before comes before the answer. A bus that is gone has nobody who could call. */
		await connection
			.call({ ...bus, member: "ReleaseName", signature: "s", body: [this.#options.name] })
			.catch(() => {});
		if (this.#calls === calls && this.#pending === 0) return true;
		await this.take();
		return false;
	}

	/** After a release that has come to nothing. Never rejects. */
	async take(): Promise<void> {
		this.#isReleased = false;
		if (this.#bus !== undefined) await this.#requestName(this.#bus).catch(this.#options.absent);
	}

	/** Who waits for an answer gets none of us; idempotent. */
	close(): void {
		this.#isClosed = true;
		this.#bus?.close();
	}

	/** To all who have asked the bus for it; nobody is told while there is no bus. */
	emit(path: string, { spec }: Pick<ServedInterface, "spec">, signal: string, body: readonly unknown[]): void {
		this.#send(path, spec.name, signal, joinSignature(spec.signals[signal] ?? []), body);
	}

	/** Announces these properties with their values. */
	changed(path: string, { spec }: Pick<ServedInterface, "spec">, values: Readonly<Record<string, unknown>>): void {
		const properties = Object.fromEntries(
			Object.entries(spec.properties).filter(([name]) => Object.hasOwn(values, name)),
		);
		const changed = toProperties({ spec: { ...spec, properties }, properties: () => values });
		this.#send(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", [spec.name, changed, []]);
	}

	/** The object is there, or is no more. */
	added(path: string, interfaces: readonly ServedInterface[]): void {
		this.#sendManaged("InterfacesAdded", "oa{sa{sv}}", [path, ServedObjects.toManaged(interfaces)]);
	}

	removed(path: string, interfaces: readonly ServedInterface[]): void {
		this.#sendManaged("InterfacesRemoved", "oas", [path, Object.keys(ServedObjects.toManaged(interfaces))]);
	}

	#sendManaged(member: string, signature: string, body: readonly unknown[]): void {
		this.#send(this.#options.objects.root, "org.freedesktop.DBus.ObjectManager", member, signature, body);
	}

	#send(path: string, name: string, member: string, signature: string, body: readonly unknown[]): void {
		this.#bus?.send({ type: messageType.signal, path, interface: name, member, signature, body });
	}

	async #keepConnected(place: UserBusPlace): Promise<void> {
		let wait = reconnectMs.first;
		while (!this.#isClosed) {
			try {
				const connection = await this.#connect(place);
				wait = reconnectMs.first;
				await connection.closed;
				throw new Error("the bus has ended the connection");
			} catch (cause) {
				if (!this.#isClosed) this.#options.absent(cause);
			}
			await new Promise((resolve) => setTimeout(resolve, wait).unref());
			wait = Math.min(wait * 2, reconnectMs.most);
		}
	}

	async #connect(place: UserBusPlace): Promise<UserBus> {
		const connection = await UserBus.connect(place);
		try {
			if (this.#isClosed) throw new Error("closed");
			connection.onCall((message) => this.#serve(message, connection));
			connection.signals.subscribe(({ sender, member, body: [name] }) => {
				if (sender !== bus.destination || typeof name !== "string") return;
				if (member === "NameOwnerChanged") this.#left(name);
				if (name !== this.#options.name) return;
				if (member === "NameAcquired") this.#options.acquired();
				if (member === "NameLost" && !this.#isReleased) void this.take();
			});
			await connection.addMatch(leavingRule);
			this.#bus = connection;
			connection.onClose(() => {
				this.#bus = undefined;
				for (const name of this.#callers.keys()) this.#left(name);
			});
			if (!this.#isReleased) await this.#requestName(connection);
			return connection;
		} catch (cause) {
			connection.close();
			throw cause;
		}
	}

	/** Without flags: it can't be taken from us, and who has it already gives us the next turn. */
	async #requestName(connection: UserBus): Promise<void> {
		await connection.call({ ...bus, member: "RequestName", signature: "su", body: [this.#options.name, 0] });
	}

	#left(name: string): void {
		const listeners = this.#callers.get(name);
		this.#callers.delete(name);
		for (const listener of listeners ?? []) listener();
	}

	#serve(message: IncomingMessage, connection: UserBus): void {
		this.#calls += 1;
		if (this.#pending >= pendingMax) {
			const sentence = `${pendingMax} calls wait for their answers already`;
			this.#refuse(message, connection, new BusError("org.freedesktop.DBus.Error.LimitsExceeded", sentence));
			return;
		}
		const gone = new AbortController();
		const caller: Caller = {
			name: message.sender,
			gone: gone.signal,
			onGone: (listener) => this.#onGone(message.sender, listener),
		};
		try {
			const reply = this.#call(message, caller);
			if (!(reply instanceof Promise)) {
				this.#reply(message, connection, reply);
				return;
			}
			this.#pending += 1;
			const forget = caller.onGone(() => gone.abort());
			void reply
				.then((values) => this.#reply(message, connection, values))
				.catch((cause: unknown) => this.#refuse(message, connection, this.#options.toError(cause)))
				.finally(() => {
					forget();
					this.#pending -= 1;
					if (this.#pending === 0) this.#options.quiet();
				});
		} catch (cause) {
			this.#refuse(message, connection, this.#options.toError(cause));
		}
	}

	/** What can't be read of it is the caller's mistake. */
	#call(message: IncomingMessage, caller: Caller): Reply | Promise<Reply> {
		try {
			return this.#options.objects.call(message, caller);
		} catch (cause) {
			if (!(cause instanceof RangeError)) throw cause;
			throw new BusError(
				"org.freedesktop.DBus.Error.LimitsExceeded",
				`${cause.message} (${callMaxBytes} bytes at most)`,
			);
		}
	}

	#onGone(name: string, listener: () => void): () => void {
		const listeners = this.#callers.get(name) ?? new Set();
		this.#callers.set(name, listeners);
		listeners.add(listener);
		return () => {
			listeners.delete(listener);
			if (listeners.size === 0 && this.#callers.get(name) === listeners) this.#callers.delete(name);
		};
	}

	#reply(message: IncomingMessage, connection: UserBus, { signature, body }: Reply): void {
		if (!message.expectsReply) return;
		const to = { destination: message.sender, replySerial: message.serial };
		connection.send({ ...to, type: messageType.reply, signature, body });
	}

	#refuse(message: IncomingMessage, connection: UserBus, { errorName, message: text }: BusError): void {
		if (!message.expectsReply) return;
		const to = { destination: message.sender, replySerial: message.serial };
		connection.send({ ...to, type: messageType.error, errorName, signature: "s", body: [text.replaceAll("\0", "")] });
	}
}
