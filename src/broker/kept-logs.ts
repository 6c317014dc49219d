/** The last boot's console and vmm log of a vm that is not disposable stay in the state directory, for a look afterwards. */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readRingTail } from "../activation/log-ring.ts";
import type { VmConfig } from "../config/schema.ts";
import { ringFileBytes, vmFiles } from "../launch-plan.ts";

export async function keepLogs(stateDirectory: string, vm: VmConfig, vmDirectory: string): Promise<void> {
	if (vm.disposable || vmDirectory === "") return;
	const logs = join(stateDirectory, "logs");
	await mkdir(logs, { recursive: true, mode: 0o700 });
	for (const name of [vmFiles.console, vmFiles.log]) {
		const kept = join(logs, `${vm.name}.${name}`);
		await writeFile(`${kept}.tmp`, await readRingTail(vmDirectory, name, ringFileBytes), { mode: 0o600 });
		await rename(`${kept}.tmp`, kept);
	}
}
