/** What the broker itself knows of the sessions of one boot: what they run, and whose process is connected to them. */
import type { SessionFacts } from "../protocol/control.ts";
import { toSafeLine } from "./safe-line.ts";

export interface Client {
	/** The session that it is connected to: the one that its ticket opened, or one that it has attached to. */
	readonly session: number;
	readonly pid: number;
}

/** What a session runs. */
export interface Command {
	/** The last part of its path. */
	readonly name: string;
	/** With its arguments, for lists only: never in the log. */
	readonly line: string;
}

/** Commands that we remember; of sessions before those the guest's word is shown. An agent keeps fewer sessions. */
const commandsMax = 2048;

export class SessionBook {
	/** By session, the oldest first. */
	readonly #commands = new Map<number, Command>();
	/** The guest's word for those that ran before this broker. */
	#heard: ReadonlyMap<number, string> = new Map();
	/** By the number of the ticket that they came with: a session's, or an attachment's. */
	readonly #clients = new Map<number, Client>();

	begun(session: number, command: Command): void {
		this.#commands.set(session, command);
		const [oldest] = this.#commands.keys();
		if (oldest !== undefined && this.#commands.size > commandsMax) this.#commands.delete(oldest);
	}

	connected(number: number, client: Client): void {
		this.#clients.set(number, client);
	}

	disconnected(number: number): void {
		this.#clients.delete(number);
	}

	/** What the guest lists. */
	heard(sessions: readonly SessionFacts[]): void {
		this.#heard = new Map(sessions.map(({ session, command }) => [session, toSafeLine(command)]));
	}

	/** As the broker has granted it. */
	commandOf(session: number): Command | undefined {
		return this.#commands.get(session);
	}

	/** The best that anybody knows. */
	nameOf(session: number): string | undefined {
		return this.#commands.get(session)?.name ?? this.#heard.get(session);
	}

	/** We have granted it, and it is a command's. */
	isGranted(number: number): boolean {
		return this.#commands.has(number);
	}

	/** The process that is connected to `session`, or null. */
	clientOf(session: number): number | null {
		for (const client of this.#clients.values()) if (client.session === session) return client.pid;
		return null;
	}
}
