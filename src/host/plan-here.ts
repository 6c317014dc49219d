/** The launch plan of a vm by this host as it is now, with what would be in its way said first. */
import { capabilities } from "../config/hypervisor.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { drivers } from "../vmm/drivers.ts";
import { checkCrosvmOptions } from "./crosvm-options.ts";
import { gatherHostFacts, type HostPlaces } from "./gather-host-facts.ts";
import { describeLack, lookAtKvm } from "./kvm.ts";
import { executable } from "./programs.ts";
import { checkTap } from "./taps.ts";
import { checkFiles } from "./vm-files.ts";

/** Throws BootFailed where the host lacks something, with the remedy. Nothing is started. */
export function planHere(config: Config, vm: VmConfig, places: HostPlaces): LaunchPlan {
	checkFiles(vm);
	checkHypervisor(vm);
	const plan = drivers[vm.hypervisor].plan(config, vm, gatherHostFacts(places, vm));
	for (const requirement of plan.requires) if (requirement.kind === "tap") checkTap(requirement.name);
	if (plan.hypervisor === "crosvm") checkCrosvmOptions(plan.vmm.argv, vm.crosvm.extraArgs);
	return plan;
}

/** What the configuration names comes first, then what no other configuration would help against. */
function checkHypervisor({ name, hypervisor, crosvm: { binary } }: VmConfig): void {
	if (hypervisor === "crosvm" && binary !== undefined && executable(binary) === undefined) {
		throw new QubesLiteError("BootFailed", `${binary}, which the configuration names as crosvm, is no program`, {
			remedy: 'correct "crosvm": {"binary": …} in the configuration',
		});
	}
	const { emulation, title } = capabilities[hypervisor];
	const kvm = emulation ? null : lookAtKvm();
	if (kvm === null || kvm.works) return;
	const { sentence, remedy } = describeLack(kvm);
	throw new QubesLiteError("BootFailed", `${title} runs ${name} by KVM alone, which is not to be had: ${sentence}`, {
		remedy: `${remedy}${remedy.includes("#") ? "; or" : "   #"} "hypervisor": "qemu"`,
	});
}
