/** A stop request, from the question to the end of what it was asked for. */
import { QubesLiteError } from "../errors.ts";
import type { Vm } from "./vm.ts";
import { hiddenError } from "./vm-errors.ts";

/** Resolves when what ran when it was asked has ended and left nothing. The machine bounds each step of the way. Rejects with Busy or Unresponsive. */
export async function stopVm(vm: Vm, force: boolean, askedAt: number): Promise<void> {
	const { instance } = vm.snapshot();
	if (vm.isHidden) throw hiddenError(vm.config.name);
	vm.stop(force, askedAt);
	/** Otherwise it would be going down by now: what runs has been started for who asked later. */
	const isOfLaterBoot = ["booting", "ready", "idle"].includes(vm.snapshot().state);
	if (instance === undefined || isOfLaterBoot) return;
	await new Promise<void>((resolve) => {
		const look = (): void => {
			const now = vm.snapshot();
			if (now.instance === instance && now.state !== "failed") return;
			unwatch();
			resolve();
		};
		const unwatch = vm.watch(look);
		look();
	});
	await vm.settled();
	const { state, context } = vm.snapshot();
	if (state === "failed" && context.vmmAlive) {
		throw new QubesLiteError("Busy", `${vm.config.name} does not stop: ${context.reason?.sentence ?? "unknown"}`, {
			remedy: `qubes-lite logs ${vm.config.name}`,
		});
	}
}
