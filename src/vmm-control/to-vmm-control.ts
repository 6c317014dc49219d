/** From what a plan says of a vmm's control socket to what speaks with it. */
import type { LaunchPlan } from "../launch-plan.ts";
import { CrosvmControl } from "./crosvm.ts";
import { QmpControl } from "./qmp.ts";
import type { VmmControl } from "./vmm-control.ts";

/** Opens nothing: each command has a connection of its own. */
export function toVmmControl(control: LaunchPlan["control"]): VmmControl {
	return control.kind === "qmp" ? new QmpControl(control.path) : new CrosvmControl(control.path, control.program);
}
