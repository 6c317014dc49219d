/** Keeps vmms that run nothing, and tells which rule of its port has been broken. */
import { NEVER, Subject } from "rxjs";
import type { Adoption, RunningVmm, Supervisor } from "../../src/activation/supervisor.ts";
import { QubesLiteError } from "../../src/errors.ts";
import type { LaunchPlan } from "../../src/launch-plan.ts";
import type { VmmControl } from "../../src/vmm-control/vmm-control.ts";
import { type FakePlaces, liveVmm } from "./fake-places.ts";
import { FakeVmm } from "./fake-vmm.ts";
import { type BrokerLife, drained } from "./turns.ts";

export class FakeSupervisor implements Supervisor {
	readonly #places: FakePlaces;
	readonly #life: BrokerLife;
	readonly #starting = new Set<string>();
	readonly appeared = new Subject<RunningVmm>();
	readonly endedUnseen = NEVER;

	constructor(places: FakePlaces, life: BrokerLife) {
		this.#places = places;
		this.#life = life;
	}

	async sessionVariables(): Promise<ReadonlyMap<string, string>> {
		return new Map();
	}

	start(plan: LaunchPlan, boot: string, cancel?: AbortSignal): Promise<RunningVmm> {
		return this.#life.only(this.#start(plan, boot, cancel));
	}

	async #start(plan: LaunchPlan, boot: string, cancel?: AbortSignal): Promise<RunningVmm> {
		const { vm } = plan;
		const { turns, vmms, refuses, broken, launches } = this.#places;
		if (this.#life.isOver) return new Promise(() => {});
		if (this.#starting.has(vm)) broken(`${vm} is started although it is about to be`);
		const former = vmms.find((vmm) => vmm.vm === vm && !vmm.isGone && !vmm.isForeign);
		if (former !== undefined)
			broken(`${vm} is started although its former vmm ${former.isAlive ? "runs" : "is not cleaned up"}`);
		launches(vm);
		this.#starting.add(vm);
		await turns.wait(`start of ${vm}`);
		this.#starting.delete(vm);
		if (this.#life.isOver) return new Promise(() => {});
		const found = liveVmm(this.#places, vm);
		if (cancel?.aborted) {
			found?.callOff();
			throw new QubesLiteError("NotRunning", "it was called off");
		}
		if (refuses.start && found === undefined) throw new QubesLiteError("BootFailed", "there is no room for it");
		const vmm = found ?? this.#make(plan, boot);
		vmm.isAnnounced = true;
		return vmm.handleFor(this.#life);
	}

	/** systemctl start. Whoever waits for a former end hears of that first; what we start just now is ours. */
	async startFromOutside(plan: LaunchPlan, boot: string): Promise<void> {
		const { vm } = plan;
		if (liveVmm(this.#places, vm) !== undefined) return;
		const former = this.#places.vmms.findLast((vmm) => vmm.vm === vm);
		const vmm = this.#make(plan, boot);
		vmm.isForeign = true;
		if (this.#starting.has(vm)) return;
		await former?.handleFor(this.#life).exited;
		await drained();
		if (this.#life.isOver || vmm.isAnnounced) return;
		vmm.isAnnounced = true;
		this.appeared.next(vmm.handleFor(this.#life));
	}

	async adopt(): Promise<Adoption> {
		const left = this.#places.vmms.filter(({ isGone }) => !isGone);
		return {
			running: left.filter(({ isAlive }) => isAlive).map((vmm) => vmm.handleFor(this.#life)),
			ended: left.filter(({ isAlive }) => !isAlive).map((vmm) => vmm.remains(this.#life)),
		};
	}

	isHidden(): boolean {
		return false;
	}

	async keepOnly(): Promise<void> {}

	#make(plan: LaunchPlan, boot: string): FakeVmm {
		const vmm = new FakeVmm(plan, boot, this.#places);
		this.#places.vmms.push(vmm);
		return vmm;
	}
}

/** As the real one's. */
const controlWithinMs = 2_000;

/** Of the vmm in this directory. */
export function toFakeControl(directory: string, places: FakePlaces, life: BrokerLife): VmmControl {
	const find = (): FakeVmm | undefined => places.vmms.find((one) => one.plan.directory === directory && one.isAlive);
	const told = (what: string, act: (vmm: FakeVmm) => void): Promise<void> => {
		const vmm = find();
		if (vmm === undefined) return Promise.reject(new QubesLiteError("NotRunning", "no vmm is there"));
		const { promise, resolve, reject } = Promise.withResolvers<void>();
		let isLate = false;
		const timer = places.clock.setTimeout(() => {
			isLate = true;
			reject(new QubesLiteError("Unresponsive", "its vmm does not answer"));
		}, controlWithinMs);
		const order = { life, obey: () => obey() };
		vmm.orders.push(order);
		void places.turns.wait(`${what} of ${vmm.vm}`).then(() => {
			vmm.obeyTheDead(life);
			obey();
		});
		const obey = (): void => {
			const at = vmm.orders.indexOf(order);
			if (at < 0) return;
			vmm.orders.splice(at, 1);
			/** A guest that is never resumed is busy for ever, which is not what is looked at here. */
			if (isLate && what === "resume" && vmm.isAlive) act(vmm);
			if (isLate) return;
			places.clock.clearTimeout(timer);
			if (!vmm.isAlive) reject(new QubesLiteError("NotRunning", "no vmm is there any more"));
			else if (places.refuses.pause && what === "pause") reject(new QubesLiteError("Internal", "its vmm can't"));
			else {
				act(vmm);
				resolve();
			}
		};
		return life.only(promise);
	};
	return {
		stop: () => Promise.reject(new QubesLiteError("Unsupported", "SIGTERM does it")),
		takeMemory: () => Promise.reject(new QubesLiteError("Unsupported", "it keeps its memory")),
		memory: () => Promise.reject(new QubesLiteError("Unsupported", "it keeps its memory")),
		pressPowerButton: () => told("power button", ({ guest }) => guest.powerOff()),
		pause: () => told("pause", ({ guest }) => guest.pause()),
		resume: () => told("resume", ({ guest }) => guest.resume()),
		isPaused: async () => {
			const vmm = find();
			vmm?.obeyTheDead(life);
			return vmm?.guest.isPaused === true;
		},
	};
}
