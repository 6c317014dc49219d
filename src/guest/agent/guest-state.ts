/** What the agent tells of its guest: boot nonce, phase times, memory. Each is read where the kernel or the init scripts keep it. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { nonceBytes } from "../../protocol/control.ts";
import { agentPaths } from "./paths.ts";

/** The same for the whole boot, also for an agent that was started anew. */
export function bootNonce(): string {
	const fresh = randomBytes(nonceBytes).toString("hex");
	try {
		writeFileSync(agentPaths.nonce, fresh, { flag: "wx", mode: 0o600 });
		return fresh;
	} catch {
		return readFileSync(agentPaths.nonce, "utf8");
	}
}

export function uptimeMs(): number {
	return Math.round(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000);
}

/** The init scripts' phases, and the moment of this call as "hello". */
export function phaseTimes(): { name: string; uptimeMs: number }[] {
	let text = "";
	try {
		text = readFileSync(agentPaths.phases, "utf8");
	} catch {}
	const phases = text.split("\n").flatMap((line) => {
		const [name, seconds] = line.split(" ");
		return name === undefined || seconds === undefined ? [] : [{ name, uptimeMs: Math.round(Number(seconds) * 1000) }];
	});
	return [...phases.slice(0, 7), { name: "hello", uptimeMs: uptimeMs() }];
}

/** A session's few heartbeats, one of which its client waits for, share one look. */
const memoryForMs = 1_000;
let seenMemory = { totalKiB: 0, availableKiB: 0 };
let seenAt = Number.NEGATIVE_INFINITY;

export function memory(): typeof seenMemory {
	const now = performance.now();
	if (now - seenAt < memoryForMs) return seenMemory;
	seenAt = now;
	const text = readFileSync("/proc/meminfo", "utf8");
	const field = (name: string): number => Number(new RegExp(`^${name}: +([0-9]+) kB`, "m").exec(text)?.[1] ?? 0);
	seenMemory = { totalKiB: field("MemTotal"), availableKiB: field("MemAvailable") };
	return seenMemory;
}

/** The vm's name from the kernel's command line; the host knows better and only compares. */
export function vmName(): string {
	return /(?:^| )qubeslite\.vm=([^ \n]*)/.exec(readFileSync("/proc/cmdline", "utf8"))?.[1] ?? "";
}
