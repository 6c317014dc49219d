/** What to start for a vm, by the configuration and the host as they are now. */

import type { VmUnit } from "../activation/placed-units.ts";
import { shimPath } from "../activation/shim-script.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { gatherHostFacts, type HostPlaces } from "../host/gather-host-facts.ts";
import { planHere } from "../host/plan-here.ts";
import { toInstanceTemplate, toRunningUnit, toVmUnit } from "../launch/vm-units.ts";
import type { LaunchPlan } from "../launch-plan.ts";

const unitContext = { shim: shimPath, remedy: "qubes-lite install" };

export class Launcher {
	readonly #places: HostPlaces;
	readonly #config: () => Config;

	constructor(places: HostPlaces, config: () => Config) {
		this.#places = places;
		this.#config = config;
	}

	/** Throws BootFailed where the host lacks something. */
	plan(vm: VmConfig): LaunchPlan {
		return planHere(this.#config(), vm, this.#places);
	}

	/** The same for systemd. */
	unit(plan: LaunchPlan): VmUnit {
		const config = this.#config();
		const name = plan.base ?? plan.vm;
		const vm = config.vms.find((candidate) => candidate.name === name);
		/** It has just left the configuration. */
		if (vm === undefined)
			throw new QubesLiteError("NoSuchVm", `the configuration has no vm '${name}' any more`, {
				remedy: "qubes-lite ls",
			});
		if (plan.base === null) {
			const { name: file, text } = toVmUnit(plan, vm.autoStart, this.#places.runtimeDirectory, unitContext);
			return { unit: file, file, text };
		}
		const { name: file, text } = toInstanceTemplate(config, vm, gatherHostFacts(this.#places, vm), unitContext);
		return { unit: toRunningUnit(plan), file, text };
	}
}
