/** What ended vms have left for us, by vm and start: a unit's ExecStopPost saves it before the runtime directory goes. */
import { readdir, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { vmFiles } from "../launch-plan.ts";
import { statusMax, toCodeOrSignal, toSignalName } from "./exit-status.ts";
import { readRingTail } from "./log-ring.ts";
import { type ExitRecord, parseExitRecord, readRecord } from "./shim-records.ts";
import { shimFiles } from "./shim-script.ts";
import { type EndedVmm, outOfMemory, type VmmExit } from "./supervisor.ts";
import type { ServiceEnd } from "./user-manager.ts";

/** No vm has such a name. */
const directoryName = ".ended";
const exitLogBytes = 4096;

/** Where it is of one start. */
export const endedOf = (runtimeDirectory: string, vm: string, invocation: string): string =>
	join(runtimeDirectory, directoryName, vm, invocation);

/** Of all starts but those in `others`, the oldest first: systemd has forgotten how they ended, but the shim has not. */
export async function listEnded(runtimeDirectory: string, others: ReadonlySet<string>): Promise<EndedVmm[]> {
	const root = join(runtimeDirectory, directoryName);
	const ended: (EndedVmm & { readonly at: number })[] = [];
	for (const vm of await readdir(root).catch(() => [])) {
		for (const boot of await readdir(join(root, vm)).catch(() => [])) {
			if (others.has(boot)) continue;
			const logs = join(root, vm, boot);
			const exit = await readEnd(logs, { result: "", code: null, signal: null });
			const at = await stat(logs).then(
				({ mtimeMs }) => mtimeMs,
				() => 0,
			);
			ended.push({ vm, boot, exit, logs, at, cleanUp: () => removeEnded(logs) });
		}
	}
	return ended.sort((one, other) => one.at - other.at);
}

/** With its parents, where nothing else is in them. */
export async function removeEnded(ended: string): Promise<void> {
	await rm(ended, { recursive: true, force: true });
	await rmdir(dirname(ended)).catch(() => undefined);
	await rmdir(dirname(dirname(ended))).catch(() => undefined);
}

/** How a start has ended: the shim's word, or where it has not come to that, systemd's. */
export async function readEnd(ended: string, end: ServiceEnd): Promise<VmmExit> {
	const log = (await readRingTail(ended, vmFiles.log, exitLogBytes).catch(() => Buffer.of())).toString();
	const record = tryRead(() => readRecord(join(ended, shimFiles.exit), parseExitRecord));
	const result = record?.isOutOfMemory === true ? "oom-kill" : end.result;
	return {
		...toStatus(record?.status ?? null, end),
		lostHelper: record === undefined ? null : toLostHelper(record),
		cause: causes[result] ?? (record === undefined ? notStarted(end) : null),
		log,
	};
}

const toLostHelper = ({ lostHelper, lostProgram }: ExitRecord): string | null =>
	lostHelper === null ? null : (lostProgram ?? `helper ${lostHelper}`);

/** Its main process was never there: what comes before it has refused. */
const notStarted = ({ result, code, signal }: ServiceEnd): string | null =>
	result === "exit-code" && code === null && signal === null ? "could not be started" : null;

/** Results of systemd.service(5) that say more than the status does. */
const causes: Readonly<Record<string, string>> = {
	"oom-kill": outOfMemory,
	timeout: "was killed by systemd, since it did not end in time",
	resources: "could not be started by systemd for lack of resources",
	protocol: "could not be started by systemd",
};

function toStatus(status: number | null, end: ServiceEnd): Pick<VmmExit, "code" | "signal"> {
	if (status !== null && status <= statusMax) return toCodeOrSignal(status);
	return end.signal === null ? { code: end.code, signal: null } : { code: null, signal: toSignalName(end.signal) };
}

function tryRead<T>(read: () => T | undefined): T | undefined {
	try {
		return read();
	} catch {
		return undefined;
	}
}
