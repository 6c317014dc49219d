/** Stands for guest-link.ts: what its fake guest says is heard at once, what it is told takes its turn. */
import { Subject } from "rxjs";
import type { InstanceAdapters } from "../../src/broker/instance-adapters.ts";
import { QubesLiteError } from "../../src/errors.ts";
import { AgentAway, type GuestEvent, GuestGoingDown, type GuestLinkOptions } from "../../src/guest/guest-link.ts";
import type { Expect, SessionFacts } from "../../src/protocol/control.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import type { FakeGuest } from "./fake-guest.ts";
import { type FakePlaces, liveVmm } from "./fake-places.ts";
import type { BrokerLife } from "./turns.ts";

type Report = ReturnType<FakeGuest["report"]>;

/** As the real one's. */
const expectWithinMs = 5_000;

export class FakeLink implements ReturnType<InstanceAdapters["guestLink"]> {
	readonly #options: GuestLinkOptions;
	readonly #places: FakePlaces;
	readonly #life: BrokerLife;
	readonly #events = new Subject<GuestEvent>();
	readonly events = this.#events.asObservable();
	readonly #expected = new Set<(error: QubesLiteError) => void>();
	readonly #gone = new Set<number>();
	#guest: FakeGuest | undefined;
	#isClosed = false;
	#seq = 0;

	constructor(options: GuestLinkOptions, places: FakePlaces, life: BrokerLife) {
		this.#options = options;
		this.#places = places;
		this.#life = life;
	}

	get isConnected(): boolean {
		return this.#guest !== undefined;
	}

	async listen(): Promise<void> {
		const { vm, vsock } = this.#options;
		await this.#life.only(this.#places.turns.wait(`link of ${vm}`));
		if (this.#isClosed || this.#life.isOver) return;
		this.#places.links.set(vsock, this);
		liveVmm(this.#places, vm)?.guest.dial();
	}

	entered(guest: FakeGuest): void {
		this.#guest = guest;
		this.#seq = 0;
		const report = guest.report();
		this.#settle(report);
		for (const session of this.#gone) guest.clientGone(session);
		const { vm } = this.#options;
		const { nonce, lastSession } = guest;
		const hello = { ...ourVersions, ...report, nonce, lastSession, vm, phases: [] };
		this.#say({ type: "hello", hello });
		guest.beat();
	}

	received(report: Report): void {
		this.#seq += 1;
		this.#settle(report);
		const memory = { totalKiB: 1, availableKiB: 1 };
		this.#say({ type: "heartbeat", heartbeat: { ...report, seq: this.#seq, memory } });
	}

	left(guest: FakeGuest): void {
		if (this.#guest !== guest) return;
		this.#guest = undefined;
		for (const refuse of this.#expected) refuse(this.#away());
		this.#say({ type: "disconnected" });
	}

	expect(expect: Expect): Promise<void> {
		const guest = this.#guest;
		if (guest === undefined) return Promise.reject(this.#away());
		const { promise, resolve, reject } = Promise.withResolvers<void>();
		this.#expected.add(reject);
		const timer = this.#places.clock.setTimeout(() => reject(this.#unresponsive()), expectWithinMs);
		void this.#places.turns.wait(`ticket ${expect.session} of ${this.#options.vm}`).then(() => {
			guest.whenRuns(() => {
				if (this.#guest !== guest || guest.isHung) return;
				if (guest.announce(expect)) resolve();
				else reject(new GuestGoingDown(this.#options.vm));
			});
		});
		return this.#life.only(promise).finally(() => {
			this.#places.clock.clearTimeout(timer);
			this.#expected.delete(reject);
		});
	}

	async list(): Promise<SessionFacts[]> {
		await this.#life.only(this.#places.turns.wait(`list of ${this.#options.vm}`));
		if (this.#guest === undefined) throw this.#unresponsive();
		return [];
	}

	clientGone(session: number): void {
		this.#gone.add(session);
		const guest = this.#guest;
		guest?.whenRuns(() => guest.clientGone(session));
	}

	powerOff(): void {
		this.#guest?.powerOff();
	}

	/** Its fake guest remembers no ends that it could report again. */
	leave(): void {}

	hush(): void {}
	unhush(): void {}

	/** Its agent answers by a heartbeat. */
	resumed(): void {
		const guest = this.#guest;
		void this.#places.turns.wait(`word of the resumed ${this.#options.vm}`).then(() => guest?.beat());
	}

	close(): void {
		this.#isClosed = true;
		if (this.#places.links.get(this.#options.vsock) === this) this.#places.links.delete(this.#options.vsock);
		this.#guest?.lost();
		this.#guest = undefined;
		this.#events.complete();
	}

	#settle({ sessions, tickets }: Report): void {
		const living = new Set([...sessions, ...tickets]);
		for (const session of this.#gone) {
			if (!living.has(session) && this.#gone.delete(session)) this.#say({ type: "settled", session });
		}
	}

	#say(event: GuestEvent): void {
		if (!this.#life.isOver) this.#events.next(event);
	}

	#away(): QubesLiteError {
		return new AgentAway(this.#options.vm, "is not there");
	}

	#unresponsive(): QubesLiteError {
		return new QubesLiteError("Unresponsive", `the agent in ${this.#options.vm} does not answer`);
	}
}
