/** What shows windows of vms on this host, where there are vms that have any. */
import { toInstallCommand } from "../../host/install-command.ts";
import { findProgram } from "../../host/programs.ts";
import { findWayland } from "../../host/wayland.ts";
import { waypipePackages } from "../../vmm/display-helper.ts";
import { type Check, type Finding, pass, warn } from "./check.ts";
import { type DoctorHost, vmsOf } from "./host.ts";
import { runProgram } from "./run-program.ts";

const versionWithinMs = 1000;

export function windowChecks(host: DoctorHost): Check[] {
	const names = vmsOf(host)
		.filter(({ display, image }) => display === "waypipe" || (display === "auto" && typeof image === "object"))
		.map(({ name }) => name);
	return names.length === 0 ? [] : [{ name: "windows", run: () => checkWaypipe(host, names.join(", ")) }];
}

/** Without it, or a session, commands run all the same. */
async function checkWaypipe({ searchPath, env }: DoctorHost, vms: string): Promise<Finding> {
	const waypipe = findProgram(searchPath, "waypipe");
	if (waypipe === undefined) {
		const remedy = toInstallCommand(searchPath, waypipePackages);
		return warn(`waypipe is not installed, without which windows of ${vms} can't be shown`, remedy);
	}
	const { stdout } = await runProgram([waypipe, "--version"], env, versionWithinMs);
	const version = stdout.trim().split("\n")[0] ?? "waypipe";
	const wayland = findWayland(env);
	if ("missing" in wayland) {
		return warn(
			`${version}, and no Wayland session for windows of ${vms} in this shell: ${wayland.missing}`,
			"run it from within the session",
		);
	}
	return pass(`${version}, for windows of ${vms} on ${wayland.socket}`);
}
