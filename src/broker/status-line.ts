/** How the broker is, in a line for the service manager: what `systemctl status` shows. */
import type { QubesLiteError } from "../errors.ts";

/** As a vm's life goes. */
const order = ["booting", "ready", "idle", "shutdown", "failed"];

/** `states` of the vms that are up: "3 vms: 1 booting, 2 idle"; then what is wrong with the configuration, if anything. */
export function formatStatusLine(states: readonly string[], problem: QubesLiteError | null): string {
	const vms = formatVms(states);
	return problem === null ? vms : `${vms}; ${problem.message}`;
}

function formatVms(states: readonly string[]): string {
	if (states.length === 0) return "no vm runs";
	const counts = order
		.map((state) => [states.filter((other) => other === state).length, state] as const)
		.filter(([count]) => count > 0)
		.map(([count, state]) => `${count} ${state}`);
	return `${states.length} ${states.length === 1 ? "vm" : "vms"}: ${counts.join(", ")}`;
}
