/** The objects behind a name on the user's bus: who calls them is answered, and who listens is told. */
import { BusCallers } from "./bus-callers.ts";
import { joinSignature } from "./interface-spec.ts";
import { type IncomingMessage, messageType } from "./message-codec.ts";
import { OwnedName } from "./owned-name.ts";
import { PendingCall } from "./pending-call.ts";
import { type Reply, type ServedInterface, ServedObjects, toProperties } from "./served-objects.ts";
import type { BusError, UserBus } from "./user-bus.ts";
import type { UserBusPlace } from "./user-bus-place.ts";
import { WaitingCallers } from "./waiting-callers.ts";

const waitingMost = { all: 1024, each: 256 };

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
	readonly #name: OwnedName;
	readonly #callers = new BusCallers();
	readonly #waiting = new WaitingCallers(waitingMost);
	/** Those that wait for their answers. */
	readonly #pending = new Set<PendingCall>();
	/** Ever heard. */
	#calls = 0;
	#isLeaving = false;

	private constructor(place: UserBusPlace, options: BusServiceOptions) {
		this.#options = options;
		const { name, acquired, absent } = options;
		this.#name = OwnedName.start(place, {
			...{ name, acquired, absent },
			connected: (connection) => connection.onCall((message) => this.#serve(message, connection)),
			lost: () => this.#callers.allLeft(),
			left: (caller) => this.#callers.left(caller),
		});
	}

	/** Goes on until leave(). */
	static start(place: UserBusPlace, options: BusServiceOptions): BusService {
		return new BusService(place, options);
	}

	/** Who listens to the name hears us. */
	get isOwner(): boolean {
		return this.#name.isOwner;
	}

	/** Calls that are not answered yet. */
	get pending(): number {
		return this.#pending.size;
	}

	/**
	 * Gives the name back, so that who calls now starts another broker. Resolves with true when nobody has called us until then and
	 * nobody waits for an answer: then nothing is lost if we end. Else the name is ours again.
	 */
	async release(): Promise<boolean> {
		const calls = this.#calls;
		await this.#name.giveBack();
		if (this.#isLeaving || (this.#calls === calls && this.pending === 0)) return true;
		await this.#name.take();
		return false;
	}

	/** After a release, where we stay all the same. Never rejects. */
	async take(): Promise<void> {
		if (!this.#isLeaving) await this.#name.take();
	}

	/**
	 * We end, whoever calls: who waits is told so, and nothing is done for them any more; who calls from now on starts another broker, or is
	 * told the same. What has begun is waited for. Resolves when the bus has all answers. Never rejects.
	 */
	async leave(): Promise<void> {
		this.#isLeaving = true;
		const answered = [...this.#pending].map((call) => call.leave(this.#options.leaves()));
		await Promise.all([this.#name.giveBack(), ...answered]);
		await this.#name.leave();
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
			this.#name.bus?.send({ type: messageType.signal, path, interface: name, member, signature, body });
		} catch (cause) {
			this.#options.failed(cause);
		}
	}

	#serve(message: IncomingMessage, connection: UserBus): void {
		this.#calls += 1;
		this.#options.called();
		const refuse = (cause: unknown): void => this.#refuse(message, connection, this.#options.toError(cause));
		if (this.#isLeaving) refuse(this.#options.leaves());
		else {
			try {
				this.#waiting.check(message.sender);
				const call = new PendingCall();
				const reply = this.#options.objects.call(message, {
					name: message.sender,
					gone: call.gone,
					begun: () => call.begun(),
					onGone: (listener) => this.#callers.onGone(message.sender, listener),
				});
				if (reply instanceof Promise) this.#await(message, connection, reply, call);
				else this.#reply(message, connection, reply);
			} catch (cause) {
				refuse(cause);
			}
		}
	}

	/** Who has left hears nothing, and neither does the log. */
	#await(message: IncomingMessage, connection: UserBus, reply: Promise<Reply>, call: PendingCall): void {
		const answered = this.#waiting.begin(message.sender);
		const forget = this.#callers.onGone(message.sender, () => {
			answered();
			call.left();
		});
		this.#pending.add(call);
		void Promise.race([reply, call.refused])
			.then((values) => this.#answer(message, connection, values))
			.catch((cause: unknown) => {
				if (!call.hasLeft) this.#refuse(message, connection, this.#options.toError(cause));
			})
			.finally(() => {
				forget();
				answered();
				call.settle();
				this.#pending.delete(call);
				if (this.pending === 0) this.#options.quiet();
			});
	}

	/** At once: we hear calls where the bus has room for their answers. */
	#reply(message: IncomingMessage, connection: UserBus, reply: Reply): void {
		if (message.expectsReply) connection.send(toMessage(message, reply));
	}

	/** What many wait for may be answered in one turn. */
	async #answer(message: IncomingMessage, connection: UserBus, reply: Reply): Promise<void> {
		if (message.expectsReply) await connection.sendInTurn(toMessage(message, reply));
	}

	#refuse(message: IncomingMessage, connection: UserBus, { errorName, message: text }: BusError): void {
		if (!message.expectsReply) return;
		const to = { destination: message.sender, replySerial: message.serial };
		connection.send({ ...to, type: messageType.error, errorName, signature: "s", body: [text.replaceAll("\0", "")] });
	}
}

const toMessage = ({ sender: destination, serial: replySerial }: IncomingMessage, { signature, body }: Reply) => ({
	...{ type: messageType.reply, destination, replySerial, signature, body },
});
