/**
 * Which process is meant, in a world where pids come round again: pid and start time name one process of a boot of the
 * host, and a random word in the environment marks all that one start of a vm has brought into being.
 */
import { readdirSync, readFileSync } from "node:fs";
import { errnoOf } from "../errors.ts";

/** Names one process as long as the host is up. */
export interface ProcessIdentity {
	readonly pid: number;
	/** Clock ticks from the host's boot to the process's start: field 22 of /proc/PID/stat. An exec keeps it. */
	readonly startTime: number;
}

/** Environment variable that the processes of one start of a vm share; its value is the start's token. */
export const bootVariable = "QUBES_LITE_BOOT";

/** The fields that we use of a line of /proc/PID/stat (proc(5)); undefined if it isn't one. */
export function parseProcessStat(line: string): { pid: number; state: string; startTime: number } | undefined {
	// The second field is the program's name in parentheses: it may hold spaces, parentheses and line breaks.
	const match = /^(\d+) \([\s\S]*\) (.*)\n?$/.exec(line);
	const fields = match?.[2]?.split(" ");
	const [state, startTime] = [fields?.[0], Number(fields?.[19])];
	if (match === null || state === undefined || !Number.isSafeInteger(startTime)) return undefined;
	return { pid: Number(match[1]), state, startTime };
}

/**
 * The process that has this pid now; undefined if there is none, or only a zombie. This and what builds on it throw when
 * they can't find out, for example without a file descriptor to spare.
 */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
	const stat = parseProcessStat(readProc(`${pid}/stat`)?.toString() ?? "");
	return stat === undefined || /[ZX]/.test(stat.state) ? undefined : { pid, startTime: stat.startTime };
}

export function isAlive(identity: ProcessIdentity): boolean {
	return identifyProcess(identity.pid)?.startTime === identity.startTime;
}

/** Somebody has this pid, be it a zombie, or another process by now: a hint for those who ask often, at the price of one system call. */
export function isPidTaken(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (cause) {
		return errnoOf(cause) !== "ESRCH";
	}
}

/** Signals this very process; nothing happens if it is gone, whoever has its pid now. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
	if (isAlive(identity)) signalPid(identity.pid, signal);
}

/** Identifies this boot of the host: across a reboot pids and start times mean nothing. */
export function readHostBootId(): string {
	return readFileSync("/proc/sys/kernel/random/boot_id", "ascii").trim();
}

/**
 * The pids of the processes that carry `boot` in their environment, our own excepted. Unlike a session id this mark can't
 * be left, come round again or be another's. Processes that forbid us to look at them (other users', not dumpable) are not found.
 */
export function findBootProcesses(boot: string): number[] {
	const mark = Buffer.from(`\0${bootVariable}=${boot}\0`);
	return readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
		.filter((name) => Buffer.concat([Buffer.of(0), readProc(`${name}/environ`) ?? Buffer.of()]).includes(mark))
		.map(Number);
}

export function killBootProcesses(boot: string): number {
	const pids = findBootProcesses(boot);
	for (const pid of pids) signalPid(pid, "SIGKILL");
	return pids.length;
}

/** Undefined where there is no such process, or we may not look. Throws for other reasons, which say nothing about it. */
function readProc(path: string): Buffer | undefined {
	try {
		return readFileSync(`/proc/${path}`);
	} catch (error) {
		if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(errnoOf(error) ?? "")) return undefined;
		throw error;
	}
}

function signalPid(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch {
		// It ended a moment ago.
	}
}
