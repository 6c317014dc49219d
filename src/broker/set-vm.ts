/** A set request: what of a vm's lifecycle is to be another way until it stops. */
import { toSettable } from "../config/lifecycle.ts";
import { disposableEnds, parseSettings } from "../config/settable.ts";
import { QubesLiteError } from "../errors.ts";
import type { WireSettings } from "../protocol/settings.ts";
import type { Vm } from "./vm.ts";

/** Holds when it resolves. Rejects with BadRequest, Unsupported, or NotRunning; then nothing has changed. */
export async function setVm(vm: Vm, untrusted: WireSettings): Promise<void> {
	const settings = parseSettings(Object.entries(untrusted));
	const idles = ["idleTimeout", "idleAction", "pauseTimeout"] as const;
	const vain = idles.find((key) => settings[key] !== undefined);
	if (vain !== undefined && vm.config.disposable) {
		throw new QubesLiteError("Unsupported", `${vain} means nothing for ${vm.config.name}: ${disposableEnds}`, {
			remedy: `keep it by: qubes-lite inhibit ${vm.config.name} -- COMMAND`,
		});
	}
	const { memory } = settings;
	if (memory !== undefined) await takeMemory(vm, memory);
	vm.configuration.override({ ...toSettable(settings), ...(memory !== undefined && { memoryMiB: memory }) });
}

/** The guest keeps so much of what it was booted with; the host gets the rest, as fast as the guest can free it. */
async function takeMemory({ configuration, config: { name } }: Vm, memoryMiB: number): Promise<void> {
	const instance = configuration.running();
	const most = configuration.bootedMemoryMiB;
	if (memoryMiB > most) {
		throw new QubesLiteError(
			"BadRequest",
			`${name} was booted with ${most} MiB of memory, and can't have ${memoryMiB}`,
			{
				remedy: `give it more "memory" in the configuration: its next boot has it`,
			},
		);
	}
	await instance.control.takeMemory(most - memoryMiB);
}
