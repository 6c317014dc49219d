/** A vmm that runs nothing, as its host sees it: it ends as it is told, when its turn comes. */
import { mkdirSync, rmSync } from "node:fs";
import type { EndedVmm, RunningVmm, VmmExit } from "../../src/activation/supervisor.ts";
import type { LaunchPlan } from "../../src/launch-plan.ts";
import { FakeGuest } from "./fake-guest.ts";
import type { FakePlaces } from "./fake-places.ts";
import type { BrokerLife } from "./turns.ts";

const exitOf = (code: number | null, signal: string | null = null): VmmExit => {
	return { code, signal, lostHelper: null, cause: null, log: "" };
};

export class FakeVmm {
	readonly plan: LaunchPlan;
	readonly boot: string;
	readonly startedAtUptimeMs: number;
	readonly guest: FakeGuest;
	readonly #places: FakePlaces;
	isAlive = true;
	/** It heeds nothing but SIGKILL. */
	isStubborn = false;
	/** Somebody else has started it; and its broker has been told of it. */
	isForeign = false;
	isAnnounced = false;
	/** Nothing of it is left. */
	isGone = false;
	/** How often somebody wanted that. */
	cleanUps = 0;
	/** What it has been told by its control socket and has not done yet. */
	readonly orders: { readonly life: BrokerLife; readonly obey: () => void }[] = [];
	readonly #handles = new WeakMap<BrokerLife, RunningVmm>();
	readonly #ended: PromiseWithResolvers<VmmExit> = Promise.withResolvers();
	readonly #stopping: PromiseWithResolvers<void> = Promise.withResolvers();

	constructor(plan: LaunchPlan, boot: string, places: FakePlaces) {
		this.plan = plan;
		this.boot = boot;
		this.startedAtUptimeMs = places.clock.now();
		this.#places = places;
		mkdirSync(plan.directory, { recursive: true });
		this.guest = new FakeGuest(this, places);
	}

	get vm(): string {
		return this.plan.vm;
	}

	/** It serves one client at a time, in order: what a broker has said before it died comes before what another one says. */
	obeyTheDead(next: BrokerLife): void {
		for (const { life, obey } of [...this.orders]) if (life.isOver && life !== next) obey();
	}

	/** As a broker has it: always the same. */
	handleFor(life: BrokerLife): RunningVmm {
		const handle = this.#handles.get(life) ?? this.#toHandle(life);
		this.#handles.set(life, handle);
		return handle;
	}

	#toHandle(life: BrokerLife): RunningVmm {
		const { plan, boot, vm, startedAtUptimeMs } = this;
		const seen = this.#ended.promise.then(async (exit) => {
			await this.#places.turns.wait(`the end of ${vm} is seen`);
			return exit;
		});
		const exited = life.only(seen);
		return {
			...{ vm, boot, plan, startedAtUptimeMs, supervisor: "direct", logs: plan.directory, pid: () => null, exited },
			stopping: life.only(this.#stopping.promise),
			terminate: () => void (life.isOver || this.isStubborn || this.#endLater("SIGTERM", exitOf(0))),
			kill: () => void (life.isOver || this.#endLater("SIGKILL", exitOf(null, "SIGKILL"))),
			cleanUp: async () => {
				if (!life.isOver) this.cleanUps += 1;
				await exited;
				await this.#cleanUp(life);
			},
		};
	}

	/** As a broker has it that comes too late. */
	remains(life: BrokerLife): EndedVmm {
		const { vm, boot, plan } = this;
		const cleanUp = (): Promise<void> => {
			this.cleanUps += 1;
			return this.#cleanUp(life);
		};
		return { vm, boot, logs: plan.directory, exit: exitOf(null), cleanUp };
	}

	async #cleanUp(life: BrokerLife): Promise<void> {
		await life.only(this.#places.turns.wait(`clean-up of ${this.vm}`));
		if (!this.isGone) rmSync(this.plan.directory, { recursive: true, force: true });
		this.isGone = true;
	}

	/** systemctl stop. */
	stopFromOutside(): void {
		this.#stopping.resolve();
	}

	powerOff(): void {
		if (!this.isStubborn) this.#endLater("power-off", exitOf(0));
	}

	/** Ends before anybody has been told of it, and leaves nothing. */
	callOff(): void {
		this.#end(exitOf(null, "SIGKILL"));
		this.isGone = true;
	}

	/** From now on; also what it has not heeded before. */
	obey(): void {
		this.isStubborn = false;
		this.guest.recover();
	}

	crash(code: number): void {
		this.#end(exitOf(code));
	}

	#endLater(how: string, exit: VmmExit): void {
		if (this.isAlive) void this.#places.turns.wait(`${how} of ${this.vm}`).then(() => this.#end(exit));
	}

	#end(exit: VmmExit): void {
		if (!this.isAlive) return;
		this.isAlive = false;
		this.guest.end();
		this.#ended.resolve(exit);
	}
}
