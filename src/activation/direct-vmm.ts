/** One vmm under its shim, seen from a broker: the one that started it, or a later one that has only the files. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { vmFiles } from "../launch-plan.ts";
import { waitForChange } from "./change-watch.ts";
import { toCodeOrSignal } from "./exit-status.ts";
import { readRingTail } from "./log-ring.ts";
import { isAlive, isPidTaken, killBootProcesses, signalProcess } from "./process-identity.ts";
import { type BootRecord, type ExitRecord, readBootRecord, readExitRecord, readVmmIdentity } from "./shim-records.ts";
import { shimBounds, shimDirectories } from "./shim-script.ts";
import { outOfMemory, type RunningVmm, type VmmExit } from "./supervisor.ts";

/** Enough for the reason of an end; a longer look at the logs is the reader's own business. */
const exitLogBytes = 4096;

const neverSeen: ExitRecord = { status: null, lostHelper: null, lostProgram: null, isOutOfMemory: false };

/** Whether the shim of `record` is there, on this boot of the host. Throws when that can't be found out now. */
export function isShimAlive(record: BootRecord, hostBootId: string): boolean {
	return record.hostBootId === hostBootId && isAlive(record.shim);
}

/** Watches over the start that `record` describes, even if it has long ended. */
export function superviseVmm(record: BootRecord, hostBootId: string): RunningVmm {
	const { plan, boot } = record;
	const { directory } = plan;
	/** After the vmm's end the shim takes each helper's bound, the logs' bound, and a second on a busy host. */
	const followMs = (plan.helpers.length + 1) * shimBounds.endMs + 1000;
	let ended = false;
	let escalation: NodeJS.Timeout | undefined;

	const exited = waitForExit(record, hostBootId).then((exit) => {
		ended = true;
		clearTimeout(escalation);
		return exit;
	});

	function pid(): number | null {
		try {
			const vmm = readVmmIdentity(directory, "direct");
			return vmm !== undefined && isAlive(vmm) ? vmm.pid : null;
		} catch {
			return null;
		}
	}

	function signalVmm(signal: "SIGTERM" | "SIGKILL"): void {
		if (ended) return;
		try {
			const vmm = readVmmIdentity(directory, "direct");
			if (vmm !== undefined) signalProcess(vmm, signal);
			// No vmm yet, and the shim defies SIGTERM: there is nothing to be gentle to.
			else killBootProcesses(boot);
		} catch {
			// Out of file descriptors: kill()'s second attempt comes later.
		}
	}

	function escalate(): void {
		try {
			killBootProcesses(boot);
		} catch {
			escalation = setTimeout(escalate, 1000).unref();
		}
	}

	return {
		vm: plan.vm,
		supervisor: "direct",
		boot,
		plan,
		pid,
		startedAtUptimeMs: record.startedAtUptimeMs,
		logs: directory,
		exited,
		stopping: new Promise(() => undefined),
		terminate: () => signalVmm("SIGTERM"),
		kill() {
			signalVmm("SIGKILL");
			if (!ended) escalation ??= setTimeout(escalate, followMs).unref();
		},
		async cleanUp() {
			await exited;
			if (readBootRecord(directory)?.boot === boot) await rm(directory, { recursive: true, force: true });
		},
	};
}

async function waitForExit(record: BootRecord, hostBootId: string): Promise<VmmExit> {
	const { directory, helpers } = record.plan;
	const look = (): ExitRecord | undefined => {
		// Asked in this order: what a shim that is gone has written is there now.
		const alive = isShimAlive(record, hostBootId);
		return readExitRecord(directory, "direct") ?? (alive ? undefined : neverSeen);
	};
	const isGone = (): boolean => !isPidTaken(record.shim.pid);
	const own = join(directory, shimDirectories.direct);
	const { status, lostHelper, isOutOfMemory } = await waitForChange(own, look, undefined, isGone);
	await endRemains(record, hostBootId);
	const log = await readRingTail(directory, vmFiles.log, exitLogBytes).catch(() => Buffer.of());
	return {
		...toCodeOrSignal(status),
		lostHelper: lostHelper === null ? null : (helpers[lostHelper]?.name ?? null),
		cause: isOutOfMemory ? outOfMemory : null,
		log: log.toString(),
	};
}

/** Waits a second for the shim to follow its last words, then kills what still carries its token, for another second. */
async function endRemains(record: BootRecord, hostBootId: string): Promise<void> {
	const stepMs = 10;
	let looks = 0;
	const look = () => {
		looks += 1;
		if (looks < 100 && isShimAlive(record, hostBootId)) return undefined;
		return killBootProcesses(record.boot) === 0 || looks > 200 ? true : undefined;
	};
	await waitForChange(join(record.plan.directory, shimDirectories.direct), look, {
		watchedMs: stepMs,
		unwatchedMs: stepMs,
	});
}
