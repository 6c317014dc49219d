/** What a broker finds that it has not started: vms that run, and vms that have ended while nobody looked. */
import type { EndedVmm, RunningVmm } from "../activation/supervisor.ts";
import { defaultVm } from "../config/default-config.ts";
import { defaultLifecycle } from "../config/lifecycle.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { poweredOff } from "../statemachines/vm-reasons.ts";
import { BootMarks } from "./boot-marks.ts";
import { isInstance, toAdoptedInstance } from "./disposables.ts";
import type { VmDependencies } from "./vm.ts";
import { exitFailure } from "./vm-errors.ts";

/** A vmm that hangs must not keep the broker from serving the others; one that does not answers within some ms. */
const pausedWithinMs = 500;

/** It has been marked so; or there was no room for that, and its vmm knows. Never rejects. */
export async function isPaused({ plan }: RunningVmm, { adapters }: Pick<VmDependencies, "adapters">): Promise<boolean> {
	if (BootMarks.of(plan.directory).isPaused) return true;
	return adapters
		.vmmControl(plan)
		.isPaused(pausedWithinMs)
		.catch(() => false);
}

/** Ended while no broker looked: its logs are kept as those of others are. Never rejects. */
export async function bury(
	{ vm, exit, logs, cleanUp }: EndedVmm,
	{ vms }: Config,
	{ log, keepLogs, lastEnds, wallNow }: VmDependencies,
): Promise<void> {
	log.info({ event: "vm.endedUnseen", vm, exit });
	const config = vms.find(({ name }) => name === vm);
	if (config !== undefined) {
		lastEnds.note(vm, { reason: exitFailure(exit, config.hypervisor) ?? poweredOff, at: wallNow() });
		await keepLogs(config, logs);
	}
	await cleanUp().catch((cause: unknown) => log.error({ event: "vm.cleanUpFailed", vm, err: cause }));
}

/** Of one that runs and is not configured. */
export function toFoundConfig({ vm: name, plan: { id, base, directory } }: RunningVmm, { vms }: Config): VmConfig {
	const orphan = toOrphan(name, id);
	if (!isInstance(name, id)) return orphan;
	return toAdoptedInstance(
		orphan,
		BootMarks.of(directory).bounds,
		vms.find((vm) => vm.name === base),
	);
}

/** A running vm that has left the configuration goes on, with defaults that never stop it by idleness. */
function toOrphan(name: string, id: number): VmConfig {
	return {
		...defaultVm,
		...{ id, name, memoryMiB: 0, cpus: 0, network: false },
		...defaultLifecycle,
	};
}
