/** One vmm under its shim, seen from a broker: the one that started it, or a later one that has only the files. */
import { rm } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { vmFiles } from "../launch-plan.ts";
import { waitForChange } from "./change-watch.ts";
import { readRingTail } from "./log-ring.ts";
import { isAlive, killBootProcesses, signalProcess } from "./process-identity.ts";
import { type BootRecord, type ExitRecord, readBootRecord, readExitRecord, readVmmIdentity } from "./shim-records.ts";
import { shimBounds, shimDirectory } from "./shim-script.ts";
import type { RunningVmm, VmmExit } from "./supervisor.ts";

/** Enough for the reason of an end; a longer look at the logs is the reader's own business. */
const exitLogBytes = 4096;

const neverSeen: ExitRecord = { status: null, lostHelper: null };

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
			const vmm = readVmmIdentity(directory);
			return vmm !== undefined && isAlive(vmm) ? vmm.pid : null;
		} catch {
			return null;
		}
	}

	function signalVmm(signal: "SIGTERM" | "SIGKILL"): void {
		if (ended) return;
		try {
			const vmm = readVmmIdentity(directory);
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
		boot,
		plan,
		pid,
		startedAtUptimeMs: record.startedAtUptimeMs,
		exited,
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
	const { status, lostHelper } = await waitForChange(join(directory, shimDirectory), () => {
		// Asked in this order: what a shim that is gone has written is there now.
		const alive = isShimAlive(record, hostBootId);
		return readExitRecord(directory) ?? (alive ? undefined : neverSeen);
	});
	await endRemains(record, hostBootId);
	const log = await readRingTail(directory, vmFiles.log, exitLogBytes).catch(() => Buffer.of());
	return {
		...toCodeOrSignal(status),
		lostHelper: lostHelper === null ? null : (helpers[lostHelper]?.name ?? null),
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
	await waitForChange(join(record.plan.directory, shimDirectory), look, { watchedMs: stepMs, unwatchedMs: stepMs });
}

function toCodeOrSignal(status: number | null): Pick<VmmExit, "code" | "signal"> {
	if (status === null || status <= 128 || status > 192) return { code: status, signal: null };
	const number = status - 128;
	const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
	return { code: null, signal: name ?? `SIG${number}` };
}
