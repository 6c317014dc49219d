/** The shim (vm-shim.sh) as we call it: where it is, its words, and the files by which it is known. */
import { fileURLToPath } from "node:url";
import type { LaunchPlan } from "../launch-plan.ts";

/** Beside the broker's bundle, or beside this file. */
export const shimPath = fileURLToPath(new URL("./vm-shim.sh", import.meta.url));

/** Besides the shell: what it needs on PATH, and what only a unit's needs, too. */
export const shimPrograms = {
	all: ["dd", "mkfifo", "mv", "rm", "setsid", "sleep", "wc"],
	unit: ["chmod", "grep", "mkdir", "tee"],
} as const;

/**
 * Where in a vm's directory the shim has its own files, apart from the logs, so that a watcher of these sleeps while a guest floods
 * those. Each supervisor's shims have a name of their own: what is there tells who started the vm.
 */
export const shimDirectories = { direct: "shim", unit: "unit" } as const;

export const shimFiles = {
	/** Who the shim is and what it runs (shim-records.ts). The broker writes it before the shim may start anything. */
	boot: "boot.json",
	/** "PID STARTTIME" of the vmm, from before its exec. */
	vmm: "vmm.pid",
	/** "STATUS LOST PROGRAM": exit status, index of the lost helper, "-" for none, and its program. The last thing that the shim does. */
	exit: "exit",
} as const;

/** How long the shim waits, in ms, as it has them in steps of 10. */
export const shimBounds = {
	/** From a helper's start to its socket. vhost-device-vsock takes 10 ms; the rest is for a host that swaps. */
	helperReadyMs: 5000,
	/** From SIGTERM to SIGKILL for a helper, or for a vmm that lost its helper; then the same for the last log lines. */
	endMs: 2000,
	/** From a helper's own end to the conclusion that the vmm is not ending too. */
	followMs: 200,
} as const;

/** PLAN in the shim's own description. Throws for NUL, which no argument can hold. */
export function toPlanWords({ helpers, vmm }: LaunchPlan): string[] {
	const words = [
		String(helpers.length),
		...helpers.flatMap(({ socket, argv, isVital }) => [isVital ? socket : `?${socket}`, String(argv.length), ...argv]),
		...vmm.argv,
	];
	const bad = words.find((word) => word.includes("\0"));
	if (bad !== undefined) throw new TypeError(`An argument holds a NUL character: ${JSON.stringify(bad)}`);
	return words;
}
