/**
 * A name on the user's bus, and the connection that has it: made anew when it is lost, and the name is taken again. A name that somebody
 * else has is waited for in the bus's queue.
 */
import { busItself } from "./bus-names.ts";
import { UserBus } from "./user-bus.ts";
import type { UserBusPlace } from "./user-bus-place.ts";

/** A bus that is restarted is back within a second or two; one that is not there is not looked for all day. */
const reconnectMs = { first: 250, most: 10_000 };
/** DBUS_REQUEST_NAME_REPLY_IN_QUEUE. */
const inQueue = 2;

/** Of every name that nobody has any more: callers that have left. One rule for all of them. */
const leavingRule = `type='signal',sender='${busItself.destination}',interface='${busItself.interface}',member='NameOwnerChanged',arg2=''`;

export interface OwnedNameOptions {
	readonly name: string;
	/** Before anybody can call. */
	connected(connection: UserBus): void;
	/** It is gone, and everybody with it. */
	lost(): void;
	/** Nobody has this name any more. */
	left(name: string): void;
	/** The name is ours. */
	acquired(): void;
	/** It is not, any more or yet, and why. */
	absent(cause: unknown): void;
}

export class OwnedName {
	readonly #options: OwnedNameOptions;
	#bus: UserBus | undefined;
	#isLeaving = false;
	/** It is not ours to take. */
	#isReleased = false;
	#isOwner = false;

	private constructor(options: OwnedNameOptions) {
		this.#options = options;
	}

	/** Goes on until leave(). */
	static start(place: UserBusPlace, options: OwnedNameOptions): OwnedName {
		const name = new OwnedName(options);
		void name.#keepConnected(place);
		return name;
	}

	/** Who listens to the name hears us. */
	get isOwner(): boolean {
		return this.#isOwner;
	}

	/** undefined: there is none now. */
	get bus(): UserBus | undefined {
		return this.#bus;
	}

	/** Resolves when the bus has it; what was sent to us before has come by then. Never rejects: a bus that is gone has nobody who could call. */
	async giveBack(): Promise<void> {
		this.#isReleased = true;
		/** What is sent from here on comes behind the release. */
		this.#isOwner = false;
		const body = [this.#options.name];
		await this.#bus?.call({ ...busItself, member: "ReleaseName", signature: "s", body }).catch(() => {});
	}

	/** After it was given back. Never rejects. */
	async take(): Promise<void> {
		this.#isReleased = false;
		if (this.#bus !== undefined) await this.#request(this.#bus).catch(this.#options.absent);
	}

	/**
	 * No other connection is made. This one stays as long as we do: who has called us has not left. Resolves when the bus has all that was
	 * said on it. Never rejects.
	 */
	async leave(): Promise<void> {
		this.#isLeaving = true;
		await this.#bus?.call({ ...busItself, member: "GetId" }).catch(() => {});
	}

	async #keepConnected(place: UserBusPlace): Promise<void> {
		let wait = reconnectMs.first;
		while (!this.#isLeaving) {
			try {
				const connection = await this.#connect(place);
				wait = reconnectMs.first;
				await connection.closed;
				throw new Error("the bus has ended the connection");
			} catch (cause) {
				if (!this.#isLeaving) this.#options.absent(cause);
			}
			await new Promise((resolve) => setTimeout(resolve, wait).unref());
			wait = Math.min(wait * 2, reconnectMs.most);
		}
	}

	async #connect(place: UserBusPlace): Promise<UserBus> {
		const connection = await UserBus.connect(place);
		try {
			if (this.#isLeaving) throw new Error("we leave");
			this.#options.connected(connection);
			connection.signals.subscribe(({ sender, member, body: [name] }) => {
				if (sender === busItself.destination && typeof name === "string") this.#hear(member, name);
			});
			await connection.addMatch(leavingRule);
			this.#bus = connection;
			connection.onClose(() => {
				this.#bus = undefined;
				this.#isOwner = false;
				this.#options.lost();
			});
			if (!this.#isReleased) await this.#request(connection);
			return connection;
		} catch (cause) {
			connection.close();
			throw cause;
		}
	}

	#hear(member: string, name: string): void {
		if (member === "NameOwnerChanged") this.#options.left(name);
		if (name !== this.#options.name) return;
		if (member === "NameAcquired") {
			this.#isOwner = true;
			this.#options.acquired();
		}
		if (member !== "NameLost") return;
		this.#isOwner = false;
		if (!this.#isReleased) void this.take();
	}

	/** Without flags: it can't be taken from us, and who has it already gives us the next turn. */
	async #request(connection: UserBus): Promise<void> {
		const { name, absent } = this.#options;
		const [answer] = await connection.call({ ...busItself, member: "RequestName", signature: "su", body: [name, 0] });
		if (answer === inQueue) absent(new Error(`somebody else has the name ${name}, and we are next`));
	}
}
