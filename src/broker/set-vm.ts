/** A set request: what of a vm's lifecycle is to be another way until it stops. */
import { toSettable } from "../config/lifecycle.ts";
import { disposableEnds, parseSettings } from "../config/settable.ts";
import { QubesLiteError } from "../errors.ts";
import type { WireSettings } from "../protocol/settings.ts";
import type { Vm } from "./vm.ts";

/** Holds when it returns. Throws BadRequest, Unsupported, or NotRunning; then nothing has changed. */
export function setVm(vm: Vm, untrusted: WireSettings): void {
	const settings = parseSettings(Object.entries(untrusted));
	const idles = ["idleTimeout", "idleAction", "pauseTimeout"] as const;
	const vain = idles.find((key) => settings[key] !== undefined);
	if (vain !== undefined && vm.config.disposable) {
		throw new QubesLiteError("Unsupported", `${vain} means nothing for ${vm.config.name}: ${disposableEnds}`, {
			remedy: `keep it by: qubes-lite inhibit ${vm.config.name} -- COMMAND`,
		});
	}
	vm.configuration.override(toSettable(settings));
}
