/** The launch plan of a vm by this host as it is now, with what would be in its way said first. */
import type { Config, VmConfig } from "../config/schema.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { drivers } from "../vmm/drivers.ts";
import { checkCrosvmOptions } from "./crosvm-options.ts";
import { gatherHostFacts, type HostPlaces } from "./gather-host-facts.ts";
import { checkTap } from "./taps.ts";
import { checkFiles } from "./vm-files.ts";

/** Throws BootFailed where the host lacks something, with the remedy. Nothing is started. */
export function planHere(config: Config, vm: VmConfig, places: HostPlaces): LaunchPlan {
	checkFiles(vm);
	const plan = drivers[vm.hypervisor].plan(config, vm, gatherHostFacts(places, vm));
	for (const requirement of plan.requires) if (requirement.kind === "tap") checkTap(requirement.name);
	if (plan.hypervisor === "crosvm") checkCrosvmOptions(plan.vmm.argv, vm.crosvm.extraArgs);
	return plan;
}
