/** All sessions of this guest: who lives, whose cgroup still does, which ends are kept, and the end of them all at power-off. */
import type { EndedSession, Expect, SessionFacts } from "../../protocol/control.ts";
import type { Attach, Exec } from "../../protocol/exec.ts";
import { detachedMax, endedKeptMax, sessionsMax } from "../../protocol/limits.ts";
import type { CommandEnd, Failure } from "../../protocol/session.ts";
import type { ProcessGroups, SessionProcesses } from "./cgroup.ts";
import { type StartCommand, StartFailure } from "./command.ts";
import type { Connection, SessionHost } from "./connection.ts";
import { Session } from "./session.ts";
import { Tickets } from "./tickets.ts";
import { UntoldEnds } from "./untold-ends.ts";

/** Connections with a session: more than the 50 parallel runs that users make. */
export const clientsMax = 256;

/** At the end of all: for a client to read how its command ended. One that is stopped never does. */
const leaveWithinMs = 1_000;

/** How a command has ended that could not be started: as a shell would have it. */
const startCodes: Partial<Record<Failure, number>> = { notFound: 127, notExecutable: 126 };

const refusalsEveryMs = 60_000;

export interface SessionsHost {
	readonly cgroups: ProcessGroups;
	readonly startCommand: StartCommand;
	readonly numbers: { readonly last: number; used(number: number): void };
	/** Called whenever a session begins or ends, a cgroup empties, or a ticket can't be used any more. */
	changed(): void;
	/** A broker waits for us. */
	knocked(): void;
	log(text: string): void;
}

export class Sessions implements SessionHost {
	readonly #host: SessionsHost;
	readonly #tickets = new Tickets(
		() => performance.now(),
		() => this.#changed(),
	);
	/** By the ticket's number: of a session, or of an attachment to one. */
	readonly #connections = new Map<number, Connection>();
	readonly #living = new Map<number, Session>();
	/** Detached ones that have ended: somebody may still ask how. The oldest goes first. */
	readonly #ended = new Map<number, Session>();
	/** Ended, but for processes that they have left. */
	readonly #left = new Map<number, Session>();
	readonly #populated = new Map<number, SessionProcesses>();
	readonly #untold = new UntoldEnds();
	#isTelling = false;
	#refusedAt = Number.NEGATIVE_INFINITY;

	constructor(host: SessionsHost) {
		this.#host = host;
		for (const id of host.cgroups.left()) this.#adopt(id);
	}

	/** What changes together is told together. */
	#changed(): void {
		if (this.#isTelling) return;
		this.#isTelling = true;
		queueMicrotask(() => {
			this.#isTelling = false;
			this.#host.changed();
		});
	}

	/** What an agent that crashed left running has lost its client with it. It holds the vm until it has ended. */
	#adopt(id: number): void {
		this.#host.numbers.used(id);
		const cgroup = this.#host.cgroups.create(id);
		this.#keep(id, cgroup);
		cgroup.end();
	}

	#keep(id: number, cgroup: SessionProcesses): void {
		this.#populated.set(id, cgroup);
		cgroup.whenEmpty(() => {
			this.#drop(id, cgroup);
			this.#changed();
		});
	}

	#drop(id: number, cgroup: SessionProcesses): void {
		this.#populated.delete(id);
		this.#left.delete(id);
		cgroup.remove();
	}

	#isAlive(id: number): boolean {
		return this.#living.has(id) || this.#connections.has(id);
	}

	report(): { sessions: number[]; cgroups: number[]; tickets: number[]; lastSession: number } {
		const sessions = [...new Set([...this.#living.keys(), ...this.#connections.keys()])];
		const cgroups = [...this.#populated.keys()].filter((id) => !this.#isAlive(id));
		return { sessions, cgroups, tickets: this.#tickets.live(), lastSession: this.#host.numbers.last };
	}

	/** Ends that no broker has heard of, as far as we know. */
	ends(): EndedSession[] {
		return this.#untold.list();
	}

	endsTold(ended: readonly EndedSession[]): void {
		this.#untold.told(ended);
	}

	list(): SessionFacts[] {
		return [...new Map([...this.#left, ...this.#ended, ...this.#living])].map(([id, session]) => ({
			...session.facts(),
			leftProcesses: session.hasEnded && this.#populated.has(id),
			processes: this.#populated.get(id)?.count() ?? 0,
		}));
	}

	announce(expect: Expect): boolean {
		/** No number comes twice, whether or not somebody came with its ticket: what it stood for would be taken for another. */
		if (expect.session <= this.#host.numbers.last) return false;
		this.#host.numbers.used(expect.session);
		return this.#tickets.announce(expect);
	}

	redeem: SessionHost["redeem"] = (ticket, bytes) => this.#tickets.redeem(ticket, bytes);

	/** Whoever knocks all day is told of once a minute. */
	refused(): void {
		const now = performance.now();
		if (now - this.#refusedAt < refusalsEveryMs) return;
		this.#refusedAt = now;
		this.#host.log("refused a connection to port 5000 whose ticket is not valid");
	}

	knocked(): void {
		this.#host.knocked();
	}

	connected(id: number, connection: Connection): void {
		this.#connections.set(id, connection);
		this.#changed();
	}

	disconnected(id: number): void {
		this.#connections.delete(id);
		this.#changed();
	}

	start(id: number, exec: Exec, receivedAt: number): Session {
		this.#checkClients();
		this.#checkRoom(exec);
		const cgroup = this.#host.cgroups.create(id);
		this.#populated.set(id, cgroup);
		try {
			const closed = (): void => this.#closed(id, cgroup);
			const { startCommand } = this.#host;
			const ended = (end: CommandEnd): void => this.#untold.ended(id, end);
			const origin = { id, exec, cgroup, receivedAt, nowMicros: this.nowMicros, ended, closed };
			const session = Session.start(origin, startCommand);
			this.#living.set(id, session);
			return session;
		} catch (cause) {
			const code = cause instanceof StartFailure ? startCodes[cause.failure] : undefined;
			if (code !== undefined) this.#untold.ended(id, { code });
			/** It may have been forked: nobody would hear of it. */
			cgroup.kill();
			if (cgroup.isPopulated()) this.#keep(id, cgroup);
			else this.#drop(id, cgroup);
			throw cause;
		}
	}

	/** The one that asks is among them. */
	#checkClients(): void {
		if (this.#connections.size <= clientsMax) return;
		throw new StartFailure("limit", `the guest has ${clientsMax} sessions with a client already`);
	}

	#checkRoom(exec: Exec): void {
		if (this.#populated.size >= sessionsMax) {
			throw new StartFailure("limit", `the guest runs ${sessionsMax} sessions already`);
		}
		const detached = [...this.#living.values()].filter((session) => session.isDetached).length;
		if (exec.detach && detached >= detachedMax) {
			throw new StartFailure("limit", `the guest runs ${detachedMax} detached sessions already`);
		}
	}

	find({ session: id }: Attach): Session {
		this.#checkClients();
		const session = this.#living.get(id) ?? this.#ended.get(id);
		if (session === undefined) throw new StartFailure("noSession", `there is no session ${id}`);
		if (session.hasClient) throw new StartFailure("busy", `session ${id} has a client already`);
		return session;
	}

	#closed(id: number, cgroup: SessionProcesses): void {
		const session = this.#living.get(id);
		/** Who came back to an ended one has left again. */
		if (session === undefined) return;
		this.#living.delete(id);
		if (session.isDetached) this.#remember(id, session);
		this.#left.set(id, session);
		if (cgroup.isPopulated()) this.#keep(id, cgroup);
		else this.#drop(id, cgroup);
		this.#changed();
	}

	#remember(id: number, session: Session): void {
		this.#ended.set(id, session);
		const [oldest] = this.#ended.keys();
		if (oldest !== undefined && this.#ended.size > endedKeptMax) this.#ended.delete(oldest);
	}

	clientGone(id: number): void {
		this.#tickets.withdraw(id);
		this.#connections.get(id)?.close();
	}

	nowMicros = (): number => Math.round(performance.now() * 1000);

	/** Asks every command to end, and ends those that did not within `graceMs`. */
	async endAll(graceMs: number): Promise<void> {
		for (const cgroup of this.#populated.values()) cgroup.signal("SIGTERM");
		const deadline = performance.now() + graceMs;
		while (this.#someLive() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
		for (const cgroup of this.#populated.values()) cgroup.kill();
		const leaveBy = performance.now() + leaveWithinMs;
		while (this.#connections.size > 0 && performance.now() < leaveBy) {
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	}

	#someLive(): boolean {
		return [...this.#populated.values()].some((cgroup) => cgroup.isPopulated());
	}
}
