/** The boots of one vm that have failed in a row, for a broker that comes later: it lets the vm be as this one would. */
import { createHash } from "node:crypto";
import type { VmConfig } from "../config/schema.ts";
import type { VmContext, VmInput } from "../statemachines/vm-context.ts";
import type { BootHistory } from "./boot-history.ts";

export interface FailedBoots {
	readonly boots: number;
	/** When the last one did, wall clock, ms. */
	readonly at: number;
	/** Of the vm as it was configured: another configuration is a new chance. */
	readonly config: string;
}

export interface FailuresDependencies {
	readonly now: () => number;
	readonly wallNow: () => number;
	readonly bootHistory: BootHistory;
}

/** Nobody asks again for an instance whose boot has failed. */
export class VmFailures {
	readonly #dependencies: FailuresDependencies;
	/** Under earlier brokers, on the machines' clock. */
	readonly before: NonNullable<VmInput["failures"]> | null;
	#noted: number;

	constructor(vm: VmConfig, dependencies: FailuresDependencies) {
		this.#dependencies = dependencies;
		this.before = vm.instanceOf === undefined ? this.#read(vm) : null;
		this.#noted = this.before?.boots ?? 0;
	}

	/** What its machine begins with, which may be one less than what is known: nothing has been lost with it. */
	begin({ failedBoots }: Pick<VmContext, "failedBoots">): void {
		this.#noted = failedBoots;
	}

	/** `vm` as it is configured. */
	note(vm: VmConfig, { failedBoots }: Pick<VmContext, "failedBoots">): void {
		if (failedBoots === this.#noted || vm.instanceOf !== undefined) return;
		this.#noted = failedBoots;
		const { bootHistory, wallNow } = this.#dependencies;
		const failed = { boots: failedBoots, at: Math.floor(wallNow()), config: digestOf(vm) };
		bootHistory.noteFailed(vm.name, failedBoots === 0 ? undefined : failed);
	}

	#read(vm: VmConfig): VmFailures["before"] {
		const { bootHistory, now, wallNow } = this.#dependencies;
		const failed = bootHistory.failed(vm.name);
		if (failed === undefined || failed.config !== digestOf(vm)) return null;
		const ageMs = wallNow() - failed.at;
		/** The wall clock has been put back since: what it says of how long ago that was would hold the vm for any time. */
		if (ageMs < 0) {
			bootHistory.ignoredFailed(vm.name, "its last failed boot lies in the future");
			return null;
		}
		return { boots: failed.boots, since: now() - ageMs };
	}
}

const digestOf = (vm: VmConfig): string => createHash("sha256").update(JSON.stringify(vm)).digest("hex").slice(0, 16);
