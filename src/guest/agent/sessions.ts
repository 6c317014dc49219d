/** All sessions of this guest: who lives, whose cgroup still does, and the end of them all at power-off. */
import type { Expect } from "../../protocol/control.ts";
import { sessionsMax } from "../../protocol/limits.ts";
import { type SessionCgroup, SessionCgroups } from "./cgroup.ts";
import { StartFailure } from "./command.ts";
import type { FifoStock } from "./fifos.ts";
import type { GuestSession, SessionHost } from "./session.ts";
import { Tickets } from "./tickets.ts";

export class Sessions implements SessionHost {
	readonly fifos: FifoStock;
	readonly #cgroups = new SessionCgroups();
	readonly #tickets = new Tickets(() => performance.now());
	readonly #living = new Map<number, GuestSession>();
	readonly #populated = new Map<number, SessionCgroup>();
	readonly #changed: () => void;
	#last = 0;

	/** `changed` is called whenever a session begins or ends, or a cgroup empties. */
	constructor(fifos: FifoStock, changed: () => void) {
		this.fifos = fifos;
		this.#changed = changed;
		for (const id of this.#cgroups.left()) this.#adopt(id);
	}

	/** What an agent that crashed left running has lost its client with it. It holds the vm until it has ended. */
	#adopt(id: number): void {
		this.#last = Math.max(this.#last, id);
		const cgroup = this.#cgroups.create(id);
		this.#keep(id, cgroup);
		cgroup.end();
	}

	#keep(id: number, cgroup: SessionCgroup): void {
		this.#populated.set(id, cgroup);
		cgroup.whenEmpty(() => {
			if (this.#living.has(id)) return;
			this.#drop(id, cgroup);
			this.#changed();
		});
	}

	#drop(id: number, cgroup: SessionCgroup): void {
		this.#populated.delete(id);
		cgroup.remove();
	}

	report(): { sessions: number[]; cgroups: number[]; lastSession: number } {
		const sessions = [...this.#living.keys()];
		const cgroups = [...this.#populated.keys()].filter((id) => !this.#living.has(id));
		return { sessions, cgroups, lastSession: this.#last };
	}

	announce(expect: Expect): boolean {
		return this.#tickets.announce(expect);
	}

	redeem: SessionHost["redeem"] = (ticket, exec) => this.#tickets.redeem(ticket, exec);

	open(session: GuestSession, id: number): SessionCgroup {
		if (this.#populated.size >= sessionsMax) {
			throw new StartFailure("limit", `the guest runs ${sessionsMax} sessions already`);
		}
		const cgroup = this.#cgroups.create(id);
		this.#last = Math.max(this.#last, id);
		this.#living.set(id, session);
		this.#populated.set(id, cgroup);
		this.#changed();
		return cgroup;
	}

	closed(id: number): void {
		this.#living.delete(id);
		const cgroup = this.#populated.get(id);
		if (cgroup !== undefined) {
			if (cgroup.isPopulated()) this.#keep(id, cgroup);
			else this.#drop(id, cgroup);
		}
		this.#changed();
	}

	clientGone(id: number): void {
		this.#tickets.withdraw(id);
		this.#living.get(id)?.clientGone();
	}

	nowMicros(): number {
		return Math.round(performance.now() * 1000);
	}

	/** Asks every command to end, and ends those that did not within `graceMs`. */
	async endAll(graceMs: number): Promise<void> {
		for (const cgroup of this.#populated.values()) cgroup.signal("SIGTERM");
		const deadline = performance.now() + graceMs;
		while (this.#someLive() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
		for (const cgroup of this.#populated.values()) cgroup.kill();
		while (this.#living.size > 0 && performance.now() < deadline + 500) {
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	}

	#someLive(): boolean {
		return [...this.#populated.values()].some((cgroup) => cgroup.isPopulated());
	}
}
