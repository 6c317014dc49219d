/** The helper that keeps a vm's windows and sound on the host (src/display), where its programs have any. Pure. */
import type { VmConfig } from "../config/schema.ts";
import { type LaunchHelper, vmFiles } from "../launch-plan.ts";
import type { HostFacts } from "./host-facts.ts";

/** What the host's end of windows is called by package managers. */
export const waypipePackages = { apt: "waypipe", dnf: "waypipe", pacman: "waypipe", zypper: "waypipe" };

/** Whether `waypipe server` in the guest dials us. */
const hasWaypipe = ({ display }: VmConfig, { image }: HostFacts): boolean =>
	display === "waypipe" || (display === "auto" && image?.windows === "waypipe");

/** Images without a way for windows have no programs that are heard. */
const hasSound = ({ sound }: VmConfig, { image }: HostFacts): boolean =>
	sound !== "none" && image?.windows !== undefined;

/** One, or none: it also tells why there are no windows where the image would have them. `directory` is the vm's. Nothing of the host's session is looked at: it may come later, and go. */
export function toDisplayHelper(vm: VmConfig, facts: HostFacts, directory: string): LaunchHelper[] {
	const { displayProgram } = facts;
	if (displayProgram === null || (vm.display !== "waypipe" && facts.image?.windows !== "waypipe")) return [];
	const words = [
		...["--windows", hasWaypipe(vm, facts) ? "waypipe" : "none"],
		...(hasSound(vm, facts) ? ["--sound", vm.sound] : []),
	];
	return [
		{
			name: "vm-display",
			argv: [...displayProgram, "--vm", vm.name, "--directory", directory, ...words],
			socket: `${directory}/${vmFiles.display}`,
			// A guest that has brought it down has lost its windows, not its work.
			isVital: false,
		},
	];
}
