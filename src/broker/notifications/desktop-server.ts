/**
 * The desktop's notification server (org.freedesktop.Notifications, Desktop Notifications Specification 1.2), over the user's bus. One
 * that is not there, or does not answer, costs nobody anything: it is looked for when there is something to show, and started by the bus where the bus knows
 * how.
 */
import type { Logger } from "pino";
import { busItself } from "../../dbus/bus-names.ts";
import { BusError, UserBus } from "../../dbus/user-bus.ts";
import type { UserBusPlace } from "../../dbus/user-bus-place.ts";
import type { Note, NoteHandlers, NotificationPort, ShownNote } from "./note.ts";
import { toBody, toSummary } from "./note-text.ts";

const name = "org.freedesktop.Notifications";
const server = { destination: name, path: "/org/freedesktop/Notifications", interface: name } as const;

/** A server shows a bubble within milliseconds; one that takes longer is stuck, and asked anew with the next notification. */
const answerWithinMs = 5_000;

const urgencies = { low: 0, normal: 1, critical: 2 } as const;
/** "-1": the server decides. */
const serversChoice = -1;

export class DesktopServer implements NotificationPort {
	readonly #place: UserBusPlace | undefined;
	readonly #log: Pick<Logger, "debug">;
	#connection: Promise<ServerConnection> | undefined;
	/** That nobody shows anything is said once. */
	#isAbsent = false;

	constructor(place: UserBusPlace | undefined, log: Pick<Logger, "debug">) {
		this.#place = place;
		this.#log = log;
	}

	async show(note: Note, handlers: NoteHandlers): Promise<ShownNote | null> {
		try {
			const shown = await (await this.#connected()).show(note, handlers);
			this.#isAbsent = false;
			return shown;
		} catch (cause) {
			if (!this.#isAbsent) this.#log.debug({ event: "notifications.absent", err: cause });
			this.#isAbsent = true;
			return null;
		}
	}

	/** All who come while it is being opened wait for the same one. */
	#connected(): Promise<ServerConnection> {
		if (this.#connection !== undefined) return this.#connection;
		const forget = (): void => {
			if (this.#connection === connection) this.#connection = undefined;
		};
		const connection = ServerConnection.open(this.#place, forget);
		connection.catch(forget);
		this.#connection = connection;
		return connection;
	}
}

type ToVariant = (signature: string, value: unknown) => object;

/** With one server: another one of its name is connected to anew, since it knows nothing of what this one has shown. */
class ServerConnection {
	readonly #bus: UserBus;
	readonly #toVariant: ToVariant;
	#capabilities: ReadonlySet<unknown> = new Set();
	/** Its unique name: what somebody else says of notifications is nothing to us. */
	#owner: unknown;
	readonly #shown = new Map<number, NoteHandlers>();

	private constructor(connected: UserBus, toVariant: ToVariant) {
		this.#bus = connected;
		this.#toVariant = toVariant;
	}

	/** `gone` is called when it is of no more use. Rejects where nobody shows notifications. */
	static async open(place: UserBusPlace | undefined, gone: () => void): Promise<ServerConnection> {
		const connected = await UserBus.connect(place);
		try {
			const { toVariant } = await import("../../dbus/message-codec.ts");
			const connection = new ServerConnection(connected, toVariant);
			connection.#hear(gone);
			await connection.#start();
			const fromServer = `type='signal',sender='${name}',path='${server.path}',interface='${name}'`;
			const owners = `type='signal',sender='${busItself.interface}',interface='${busItself.interface}',member='NameOwnerChanged',arg0='${name}'`;
			const [[capabilities], [owner]] = await Promise.all([
				ask(connected, "GetCapabilities"),
				connected.call({
					...busItself,
					member: "GetNameOwner",
					signature: "s",
					body: [name],
					withinMs: answerWithinMs,
				}),
				connected.addMatch(fromServer),
				connected.addMatch(owners),
			]);
			connection.#owner = owner;
			connection.#capabilities = new Set(Array.isArray(capabilities) ? capabilities : []);
			return connection;
		} catch (cause) {
			connected.close();
			throw cause;
		}
	}

	/** Some desktops' servers run only once somebody has something to show. */
	async #start(): Promise<void> {
		const ask = (member: string, signature: string, ...body: readonly unknown[]) =>
			this.#bus.call({ ...busItself, member, signature, body, withinMs: answerWithinMs });
		/** The bus does not know of one that runs without a file of its own by which it is started. */
		await ask("GetNameOwner", "s", name).catch(() => ask("StartServiceByName", "su", name, 0));
	}

	async show(note: Note, handlers: NoteHandlers): Promise<ShownNote> {
		const id = await this.#notify(note, 0);
		this.#shown.set(id, handlers);
		return {
			hasActions: this.#capabilities.has("actions"),
			replace: async (next) => {
				/** A number that its server has forgotten may be another program's by now. */
				if (this.#shown.get(id) === handlers) await this.#notify(next, id).catch(() => {});
			},
			close: async () => {
				if (this.#shown.get(id) !== handlers) return;
				this.#shown.delete(id);
				await ask(this.#bus, "CloseNotification", "u", [id]).catch(() => {});
			},
		};
	}

	async #notify(note: Note, replaces: number): Promise<number> {
		const actions = this.#capabilities.has("actions") ? (note.actions ?? []) : [];
		const words = actions.flatMap(({ key, label }) => [key, toSummary(label)]);
		const body = toBody(note.body, this.#capabilities.has("body-markup"));
		const hints = {
			"desktop-entry": this.#toVariant("s", "qubes-lite"),
			category: this.#toVariant("s", "device"),
			urgency: this.#toVariant("y", urgencies[note.urgency]),
			...(note.progress !== undefined && { value: this.#toVariant("i", note.progress) }),
		};
		try {
			const [id] = await ask(this.#bus, "Notify", "susssasa{sv}i", [
				...["qubes-lite", replaces, "computer", toSummary(note.summary), body, words, hints],
				note.expiresMs === undefined ? serversChoice : Math.round(note.expiresMs),
			]);
			if (typeof id !== "number" || id === 0) throw new Error("a notification without a number");
			return id;
		} catch (cause) {
			/** Unless it has refused: what it has shown, or will show, can't be told from what it has not. */
			if (!(cause instanceof BusError)) this.#bus.close();
			throw cause;
		}
	}

	#hear(gone: () => void): void {
		const subscription = this.#bus.signals.subscribe(({ sender, interface: about, member, body: [first, second] }) => {
			if (sender === busItself.destination && member === "NameOwnerChanged" && first === name) this.#bus.close();
			if (sender !== this.#owner || about !== name) return;
			/** One that comes right behind the answer to its Notify is heard when that has been. */
			setImmediate(() => this.#happened(member, Number(first), second));
		});
		this.#bus.onClose(() => {
			subscription.unsubscribe();
			const handlers = [...this.#shown.values()];
			this.#shown.clear();
			for (const { closed } of handlers) closed?.();
			gone();
		});
	}

	#happened(member: string, id: number, detail: unknown): void {
		const handlers = this.#shown.get(id);
		if (handlers === undefined) return;
		if (member === "ActionInvoked" && typeof detail === "string") handlers.acted?.(detail);
		if (member !== "NotificationClosed") return;
		this.#shown.delete(id);
		handlers.closed?.();
	}
}

const ask = (
	connected: UserBus,
	member: string,
	signature = "",
	body: readonly unknown[] = [],
): Promise<readonly unknown[]> =>
	connected.call({ ...server, member, signature, body, noAutoStart: true, withinMs: answerWithinMs });
