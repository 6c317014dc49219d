/** What is known of one vm beyond the life of a broker: how it ended, how its boots went, and how many failed in a row. */

import type { VmConfig } from "../config/schema.ts";
import type { VmInput } from "../statemachines/vm-context.ts";
import { type Accelerator, type BootsDependencies, VmBoots } from "./boot-history.ts";
import { VmFailures } from "./failed-boots.ts";
import { type EndsDependencies, VmEnds } from "./last-ends.ts";
import type { VmActor } from "./vm-actor.ts";
import type { VmLog } from "./vm-log.ts";

export interface MemoryDependencies extends EndsDependencies, BootsDependencies {}

export interface RememberedVm {
	/** As its next boot will be. */
	next(): VmConfig;
	accelerator(): Accelerator | null;
}

export class VmMemory {
	readonly #ends: VmEnds;
	readonly #boots: VmBoots;
	readonly #failures: VmFailures;

	constructor(config: VmConfig, dependencies: MemoryDependencies) {
		this.#ends = new VmEnds(config, dependencies);
		this.#boots = new VmBoots(config, dependencies);
		this.#failures = new VmFailures(config, dependencies);
	}

	/** How long it takes to boot, ms; null where that is not known. */
	get usualBootMs(): number | null {
		return this.#boots.usualMs;
	}

	/** What its machine begins with. */
	get input(): Pick<VmInput, "lastEnd" | "failures" | "slowestBootMs"> {
		return {
			lastEnd: this.#ends.last,
			failures: this.#failures.before,
			slowestBootMs: () => this.#boots.slowestMs,
		};
	}

	/** Notes what the machine goes through from now on. */
	follow(actor: VmActor, log: VmLog, vm: RememberedVm): void {
		actor.on("boot.finished", (boot) => {
			/** A retry says more of what failed before it. */
			if (actor.getSnapshot().context.attempt === 1) this.#boots.note(boot, vm.accelerator());
		});
		this.#failures.begin(actor.getSnapshot().context);
		actor.subscribe(({ value, context }) => {
			if (log.state(value, context)) this.#ends.note(value, context);
			this.#failures.note(vm.next(), context);
		});
	}
}
