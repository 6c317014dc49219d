/** The vm that a disposable instance is of where nobody names one. */
import type { VmConfig } from "./schema.ts";

/** As the default configuration has it. */
const usualBase = "disp";

/** undefined: no vm is disposable. */
export const findDefaultBase = (vms: readonly VmConfig[]): VmConfig | undefined =>
	vms.find((vm) => vm.name === usualBase) ?? vms.find((vm) => vm.disposable);
