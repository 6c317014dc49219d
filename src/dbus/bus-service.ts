/**
 * A name on the user's bus, and the objects behind it. The connection is made anew when it is lost, and the name is taken again; a
 * name that somebody else has is waited for in the bus's queue.
 */

import { BusCallers } from "./bus-callers.ts";
import { busItself } from "./bus-names.ts";
import { joinSignature } from "./interface-spec.ts";
import { type IncomingMessage, messageType } from "./message-codec.ts";
import { type Reply, type ServedInterface, ServedObjects, toProperties } from "./served-objects.ts";
import { type BusError, UserBus } from "./user-bus.ts";
import type { UserBusPlace } from "./user-bus-place.ts";
import { WaitingCallers } from "./waiting-callers.ts";

/** A bus that is restarted is back within a second or two; one that is not there is not looked for all day. */
const reconnectMs = { first: 250, most: 10_000 };
const waitingMost = { all: 1024, each: 256 };
/** DBUS_REQUEST_NAME_REPLY_IN_QUEUE. */
const inQueue = 2;

/** Of every name that nobody has any more: callers that have left. One rule for all of them. */
const leavingRule = `type='signal',sender='${busItself.destination}',interface='${busItself.interface}',member='NameOwnerChanged',arg2=''`;

export interface BusServiceOptions {
	/** The name that is taken. */
	readonly name: string;
	readonly objects: ServedObjects;
	/** As a caller is told of what a method threw. */
	readonly toError: (cause: unknown) => BusError;
	/** What is said to who calls while we leave. */
	readonly leaves: () => unknown;
	/** Somebody has called. */
	readonly called: () => void;
	/** The last pending call was answered. */
	readonly quiet: () => void;
	/** A signal could not be sent. */
	readonly failed: (cause: unknown) => void;
	/** The name is ours. */
	readonly acquired: () => void;
	/** It is not, any more or yet, and why. */
	readonly absent: (cause: unknown) => void;
}

export class BusService {
	readonly #options: BusServiceOptions;
	#bus: UserBus | undefined;
	readonly #callers = new BusCallers();
	readonly #waiting = new WaitingCallers(waitingMost);
	/** Who leaves answers those who wait. */
	readonly #refusals = new Set<() => void>();
	#pending = 0;
	/** Ever heard. */
	#calls = 0;
	#isClosed = false;
	/** The name is not ours to take. */
	#isReleased = false;
	#isLeaving = false;
	#isOwner = false;

	private constructor(options: BusServiceOptions) {
		this.#options = options;
	}

	/** Goes on until close(). */
	static start(place: UserBusPlace, options: BusServiceOptions): BusService {
		const service = new BusService(options);
		void service.#keepConnected(place);
		return service;
	}

	/** Who listens to the name hears us. */
	get isOwner(): boolean {
		return this.#isOwner;
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
		const calls = this.#calls;
		this.#isReleased = true;
		/** What was sent to us before comes before the answer. */
		await this.#giveBack();
		if (this.#isLeaving || (this.#calls === calls && this.#pending === 0)) return true;
		await this.take();
		return false;
	}

	/** After a release, where we stay all the same. Never rejects. */
	async take(): Promise<void> {
		if (this.#isLeaving) return;
		this.#isReleased = false;
		if (this.#bus !== undefined) await this.#requestName(this.#bus).catch(this.#options.absent);
	}

	/**
	 * We end, whoever calls: who waits is told so, and who calls from now on starts another broker, or is told the same. Resolves when the
	 * bus knows. Never rejects.
	 */
	async leave(): Promise<void> {
		this.#isLeaving = true;
		this.#isReleased = true;
		for (const refuse of this.#refusals) refuse();
		await this.#giveBack();
	}

	/** A bus that is gone has nobody who could call. */
	async #giveBack(): Promise<void> {
		const name = [this.#options.name];
		await this.#bus?.call({ ...busItself, member: "ReleaseName", signature: "s", body: name }).catch(() => {});
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
		try {
			this.#bus?.send({ type: messageType.signal, path, interface: name, member, signature, body });
		} catch (cause) {
			this.#options.failed(cause);
		}
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

	#acquired(): void {
		this.#isOwner = true;
		this.#options.acquired();
	}

	async #connect(place: UserBusPlace): Promise<UserBus> {
		const connection = await UserBus.connect(place);
		try {
			if (this.#isClosed) throw new Error("closed");
			connection.onCall((message) => this.#serve(message, connection));
			connection.signals.subscribe(({ sender, member, body: [name] }) => {
				if (sender !== busItself.destination || typeof name !== "string") return;
				if (member === "NameOwnerChanged") this.#callers.left(name);
				if (name !== this.#options.name) return;
				if (member === "NameAcquired") this.#acquired();
				if (member !== "NameLost") return;
				this.#isOwner = false;
				if (!this.#isReleased) void this.take();
			});
			await connection.addMatch(leavingRule);
			this.#bus = connection;
			connection.onClose(() => {
				this.#bus = undefined;
				this.#isOwner = false;
				this.#callers.allLeft();
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
		const { name, absent } = this.#options;
		const [answer] = await connection.call({ ...busItself, member: "RequestName", signature: "su", body: [name, 0] });
		if (answer === inQueue) absent(new Error(`somebody else has the name ${name}, and we are next`));
	}

	#serve(message: IncomingMessage, connection: UserBus): void {
		this.#calls += 1;
		this.#options.called();
		const refuse = (cause: unknown): void => this.#refuse(message, connection, this.#options.toError(cause));
		if (this.#isLeaving) refuse(this.#options.leaves());
		else {
			try {
				this.#waiting.check(message.sender);
				const gone = new AbortController();
				const reply = this.#options.objects.call(message, {
					name: message.sender,
					gone: gone.signal,
					onGone: (listener) => this.#callers.onGone(message.sender, listener),
				});
				if (reply instanceof Promise) this.#await(message, connection, reply, gone);
				else this.#reply(message, connection, reply);
			} catch (cause) {
				refuse(cause);
			}
		}
	}

	/** Who has left hears nothing, and neither does the log. */
	#await(message: IncomingMessage, connection: UserBus, reply: Promise<Reply>, gone: AbortController): void {
		const answered = this.#waiting.begin(message.sender);
		const forget = this.#callers.onGone(message.sender, () => {
			answered();
			gone.abort();
		});
		const leaving = Promise.withResolvers<never>();
		const leave = (): void => leaving.reject(this.#options.leaves());
		this.#refusals.add(leave);
		this.#pending += 1;
		void Promise.race([reply, leaving.promise])
			.then((values) => this.#reply(message, connection, values))
			.catch((cause: unknown) => {
				if (!gone.signal.aborted) this.#refuse(message, connection, this.#options.toError(cause));
			})
			.finally(() => {
				forget();
				answered();
				this.#refusals.delete(leave);
				this.#pending -= 1;
				if (this.#pending === 0) this.#options.quiet();
			});
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
