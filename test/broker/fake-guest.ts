/** What an agent knows and says, without a guest around it. */

import type { Expect } from "../../src/protocol/control.ts";
import { sha256Hex } from "../../src/protocol/exec.ts";
import { heartbeatIntervalMs, heartbeatsMissedMax } from "../../src/protocol/limits.ts";
import type { FakeLink } from "./fake-link.ts";
import type { FakePlaces } from "./fake-places.ts";
import type { FakeVmm } from "./fake-vmm.ts";

const redialMs = 200;

export class FakeGuest {
	readonly #vmm: FakeVmm;
	readonly #places: FakePlaces;
	readonly nonce: string;
	#isUp = false;
	isPaused = false;
	/** Its agent says nothing. */
	isHung = false;
	/** When it last said something, or was resumed. */
	#heardAt = 0;
	isGoingDown = false;
	lastSession = 0;
	#link: FakeLink | undefined;
	/** By number: whether each goes on without its client. */
	readonly sessions = new Map<number, boolean>();
	readonly cgroups = new Set<number>();
	/** Announced, by number: the ticket's hash. */
	readonly tickets = new Map<number, string>();
	/** What comes in while it is paused. */
	#kept: (() => void)[] = [];

	constructor(vmm: FakeVmm, places: FakePlaces) {
		this.#vmm = vmm;
		this.#places = places;
		this.nonce = sha256Hex(Buffer.from(vmm.boot)).slice(0, 32);
		void places.turns.wait(`agent of ${vmm.vm}`).then(() => {
			this.whenRuns(() => {
				this.#isUp = true;
				this.dial();
				this.#beatOften();
			});
		});
	}

	get isConnected(): boolean {
		return this.#link !== undefined;
	}

	get isUp(): boolean {
		return this.#isUp && this.#vmm.isAlive && !this.isPaused;
	}

	get isDeaf(): boolean {
		return this.isUp && this.#places.clock.now() - this.#heardAt > heartbeatIntervalMs * heartbeatsMissedMax;
	}

	report(): { sessions: number[]; cgroups: number[]; tickets: number[] } {
		return { sessions: [...this.sessions.keys()], cgroups: [...this.cgroups], tickets: [...this.tickets.keys()] };
	}

	dial(): void {
		const link = this.#places.links.get(this.#vmm.plan.vsock);
		if (!this.isUp || this.isHung || this.#link !== undefined || link === undefined) return;
		this.#link = link;
		this.#heardAt = this.#places.clock.now();
		link.entered(this);
	}

	/** Its connection has gone: it dials again soon. */
	lost(): void {
		this.#link = undefined;
		this.#places.clock.setTimeout(() => this.dial(), redialMs);
	}

	/** Cuts its own connection. */
	cut(): void {
		const link = this.#link;
		this.lost();
		link?.left(this);
	}

	beat(): void {
		if (!this.isUp || this.isHung) return;
		this.#heardAt = this.#places.clock.now();
		this.#link?.received(this.report());
	}

	#beatOften(): void {
		if (!this.#vmm.isAlive) return;
		this.beat();
		if (!this.isPaused) this.#places.clock.setTimeout(() => this.#beatOften(), heartbeatIntervalMs);
	}

	announce({ session, ticketHash, lifeMs }: Expect): boolean {
		if (this.isGoingDown) return false;
		this.tickets.set(session, ticketHash);
		this.lastSession = Math.max(this.lastSession, session);
		this.#places.clock.setTimeout(() => this.whenRuns(() => this.#drop(session)), lifeMs);
		this.beat();
		return true;
	}

	/** Its number, where a session begins; undefined: it is refused. `attachTo`: it is for that session. */
	redeem(ticket: Buffer, isDetached: boolean, attachTo: number | null): number | undefined {
		const hash = sha256Hex(ticket);
		const number = [...this.tickets].find(([, known]) => known === hash)?.[0];
		if (number === undefined || !this.isUp || this.isHung) return undefined;
		this.tickets.delete(number);
		const isThere = attachTo === null || this.sessions.has(attachTo);
		if (attachTo === null) this.sessions.set(number, isDetached);
		this.beat();
		return isThere ? number : undefined;
	}

	/** `leaves`: processes that outlive it. */
	endSession(number: number, leaves: boolean): void {
		this.sessions.delete(number);
		if (leaves) this.cgroups.add(number);
		this.beat();
	}

	endCgroup(number: number): void {
		this.cgroups.delete(number);
		this.beat();
	}

	clientGone(number: number): void {
		if (this.sessions.get(number) === false) this.endSession(number, false);
		this.#drop(number);
	}

	/** Its agent speaks again; what it has been told to do, it does. */
	recover(): void {
		this.isHung = false;
		this.dial();
		this.beat();
		if (this.isGoingDown) this.#vmm.powerOff();
		this.whenRuns(() => {
			for (const session of this.sessions.keys()) this.endSession(session, false);
			for (const cgroup of this.cgroups) this.endCgroup(cgroup);
		});
	}

	#drop(ticket: number): void {
		if (this.tickets.delete(ticket)) this.beat();
	}

	powerOff(): void {
		if (!this.isUp || this.isHung) return;
		this.isGoingDown = true;
		this.#vmm.powerOff();
	}

	pause(): void {
		this.isPaused = true;
	}

	resume(): void {
		if (!this.isPaused) return;
		this.#heardAt = this.#places.clock.now();
		this.isPaused = false;
		const kept = this.#kept;
		this.#kept = [];
		for (const act of kept) act();
		if (!this.#isUp) return;
		this.dial();
		this.#beatOften();
	}

	whenRuns(act: () => void): void {
		if (this.isPaused) this.#kept.push(act);
		else if (this.#vmm.isAlive) act();
	}

	/** Its vmm has ended: that its connection has gone is seen a little later. */
	end(): void {
		const link = this.#link;
		this.#link = undefined;
		this.sessions.clear();
		this.cgroups.clear();
		this.tickets.clear();
		if (link !== undefined)
			void this.#places.turns.wait(`the cut of ${this.#vmm.vm} is seen`).then(() => link.left(this));
	}
}
