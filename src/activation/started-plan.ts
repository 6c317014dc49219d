/** What a broker knows of a vm that a unit runs: from the unit's name, and from what its file says in the environment. */
import { join } from "node:path";
import { vmFiles } from "../launch-plan.ts";
import type { StartedPlan } from "./supervisor.ts";
import { unitVariables } from "./unit-file.ts";
import { parseUnitName } from "./unit-names.ts";

/** `environment`: the unit's own Environment=. `runtimeDirectory`: `$XDG_RUNTIME_DIR/qubes-lite`. */
export function toStartedPlan(
	unit: string,
	environment: ReadonlyMap<string, string>,
	runtimeDirectory: string,
): StartedPlan {
	const { vm, base } = parseUnitName(unit) ?? { vm: unit, base: null };
	const directory = join(runtimeDirectory, vm);
	const isCrosvm = environment.get(unitVariables.hypervisor) === "crosvm";
	return {
		...{ vm, base },
		id: base === null ? Number(environment.get(unitVariables.id) ?? 0) : Number.parseInt(vm.slice(-4), 16),
		hypervisor: isCrosvm ? "crosvm" : "qemu",
		directory,
		vsock: join(directory, vmFiles.vsock),
		control: isCrosvm
			? {
					kind: "crosvm",
					path: join(directory, vmFiles.crosvmControl),
					program: environment.get(unitVariables.control) ?? "crosvm",
				}
			: { kind: "qmp", path: join(directory, vmFiles.qmp) },
	};
}
