/** Clocks and limits of this process, which the broker and its vms get as well. */
import { readFileSync, statSync } from "node:fs";
import { totalmem, uptime } from "node:os";
import { fileURLToPath } from "node:url";
import type { VmConfig } from "../../config/schema.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import { type DoctorHost, toEditCommand, vmsOf } from "./host.ts";

export const limitChecks = (host: DoctorHost): Check[] => [
	{ name: "memory", run: () => judgeMemory(vmsOf(host), totalmem() / 2 ** 20, toEditCommand(host)) },
	{
		name: "clock",
		run: () =>
			judgeClocks({
				now: Date.now(),
				builtAt: statSync(fileURLToPath(import.meta.url)).mtimeMs,
				boottimeMs: uptime() * 1000,
				monotonicMs: Number(process.hrtime.bigint() / 1_000_000n),
			}),
	},
	{ name: "open-files", run: () => judgeOpenFiles(readFileSync("/proc/self/limits", "utf8")) },
];

/** `edit` opens the configuration. */
export function judgeMemory(
	vms: readonly Pick<VmConfig, "name" | "memoryMiB">[],
	hostMiB: number,
	edit: string,
): Finding {
	const has = `this machine has ${Math.floor(hostMiB)} MiB`;
	const tooLarge = vms.filter(({ memoryMiB }) => memoryMiB > hostMiB);
	if (tooLarge.length === 0) return pass(`${has}, and no vm is configured with more`);
	return warn(`${has}, but ${tooLarge.map(({ name, memoryMiB }) => `${name} ${memoryMiB} MiB`).join(", ")}`, edit);
}

export interface Clocks {
	/** Wall clock, ms since 1970. */
	readonly now: number;
	/** When our own bundle was written. */
	readonly builtAt: number;
	/** CLOCK_BOOTTIME and CLOCK_MONOTONIC, ms since the boot. */
	readonly boottimeMs: number;
	readonly monotonicMs: number;
}

const dayMs = 24 * 3600 * 1000;
/** Both were read one after the other, and /proc/uptime has hundredths. */
const readApartMs = 1000;

/** Clocks run apart only while the machine sleeps. */
export function judgeClocks({ now, builtAt, boottimeMs, monotonicMs }: Clocks): Finding {
	const setClock = "sudo timedatectl set-ntp true";
	const date = new Date(now).toISOString().slice(0, 10);
	if (now < builtAt - dayMs) return warn(`the clock says ${date}, which is before this program was built`, setClock);
	if (now > builtAt + 20 * 365 * dayMs)
		return warn(`the clock says ${date}, decades after this program was built`, setClock);
	if (!(boottimeMs > 0) || boottimeMs < monotonicMs - readApartMs) {
		return warn(
			"the time since the boot is not to be trusted: a vm's boots across a sleep may be taken for others",
			"cat /proc/uptime   # in a container: is it lxcfs's?",
		);
	}
	const asleep = Math.max(0, Math.round((boottimeMs - monotonicMs) / 1000));
	return pass(`${date}${asleep < 2 ? "" : `; since its boot this machine slept for ${asleep} s`}`);
}

/** Measured: a broker has 43 files open, 2 more for each vm and 1 for each session; this is 32 vms with ten sessions each. */
const filesForManyVms = 512;
/** One vm with a few sessions. */
const filesLeast = 64;

/** `limits` as proc_pid_limits(5) has them. Node raises its soft limit to the hard one, so that is what counts. */
export function judgeOpenFiles(limits: string): Finding {
	const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? "unlimited";
	const count = hard === "unlimited" ? Infinity : Number(hard);
	const raise = "sudo prlimit --pid $$ --nofile=4096:4096   # for this shell; for good: /etc/security/limits.conf";
	if (count < filesLeast) return fail(`a process may open ${hard} files: too few for a vm`, raise);
	if (count < filesForManyVms) return warn(`a process may open ${hard} files: too few for 32 vms at a time`, raise);
	return pass(`a process may open ${hard}`);
}
