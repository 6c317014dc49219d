/** What one running copy of a vm has done by its vmm: to stand still and go on, to give memory back, to press its button, to stop in good order. */
import { randomBytes } from "node:crypto";
import type { StartedPlan } from "../activation/supervisor.ts";
import { QubesLiteError } from "../errors.ts";
import type { GuestMemory, VmmControl } from "../vmm-control/vmm-control.ts";
import type { BootMarks } from "./boot-marks.ts";
import type { InstanceAdapters } from "./instance-adapters.ts";

/** What a guest's random pool is mixed with: as much as seeds it. */
const entropyBytes = 32;
/** Somebody looks at a status meanwhile. */
const memoryWithinMs = 500;

export interface ControlledInstance {
	readonly vm: string;
	readonly marks: BootMarks;
	plan(): StartedPlan | undefined;
	link(): Pick<ReturnType<InstanceAdapters["guestLink"]>, "hush" | "resumed"> | undefined;
}

export class InstanceControl {
	readonly #instance: ControlledInstance;
	readonly #adapters: Pick<InstanceAdapters, "vmmControl" | "settled">;
	#control: VmmControl | undefined;
	/** It has been resumed, and has not spoken since. */
	#isToBeHeard = false;

	constructor(instance: ControlledInstance, adapters: Pick<InstanceAdapters, "vmmControl" | "settled">) {
		this.#instance = instance;
		this.#adapters = adapters;
	}

	/** Resolves when its guest no longer runs; rejects where the vmm can't do it, or does not say. */
	async pause(): Promise<void> {
		this.#instance.marks.isPaused = true;
		this.#isToBeHeard = false;
		this.#instance.link()?.hush();
		try {
			await this.#vmm().pause();
		} catch (cause) {
			/** It may have been done all the same, only too late for an answer. */
			await this.#run().catch(() => {});
			throw cause;
		}
	}

	/** Resolves when its guest runs, and has been told the time; rejects where the vmm does not say. One that ran goes on. */
	async resume(): Promise<void> {
		/** A host that is busy just now is no reason to lose it. */
		await this.#run().catch(() => this.#run());
	}

	async #run(): Promise<void> {
		await this.#vmm().resume();
		await this.#adapters.settled();
		this.#isToBeHeard = true;
		this.#instance.link()?.resumed(Date.now(), randomBytes(entropyBytes));
	}

	/** A guest that speaks after a pause has its connection still: a broker that comes before that must look whether it has. */
	heard(): void {
		if (!this.#isToBeHeard) return;
		this.#isToBeHeard = false;
		this.#instance.marks.isPaused = false;
	}

	/** From its guest, for the host; rejects where the vmm can't. */
	async takeMemory(takenMiB: number): Promise<void> {
		await this.#vmm().takeMemory(takenMiB * 2 ** 20);
	}

	/** What its guest has of memory, as far as the vmm can tell; null: it can't. Never rejects. */
	async memory(): Promise<GuestMemory | null> {
		return (async () => this.#vmm().memory(memoryWithinMs))().catch(() => null);
	}

	/** Who can't be told is ended all the same, by the next step. */
	pressPowerButton(): void {
		void (async () => this.#vmm().pressPowerButton())().catch(() => {});
	}

	/** In good order: what the vmm still holds of disks is written. Rejects where it has no way to that. */
	async stop(): Promise<void> {
		await this.#vmm().stop();
	}

	/** One for all commands, which come one after the other. */
	#vmm(): VmmControl {
		const plan = this.#instance.plan();
		if (plan === undefined) throw new QubesLiteError("NotRunning", `no vmm of ${this.#instance.vm} is there yet`);
		this.#control ??= this.#adapters.vmmControl(plan);
		return this.#control;
	}
}
