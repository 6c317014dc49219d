import { expect, it } from "vitest";
import { formatStatus, formatTable } from "../../src/cli/status-table.ts";
import type { VmStatus } from "../../src/protocol/broker-replies.ts";

const now = Date.UTC(2026, 10, 28, 12);
const look = { colour: false, now, width: null };
const idle: VmStatus = {
	...{
		name: "shopping",
		id: 5,
		state: "idle",
		flags: [],
		since: new Date(now).toISOString(),
		reason: null,
		remedy: null,
	},
	...{
		leases: [],
		sessions: 0,
		stopsAt: null,
		pausesAt: null,
		coolsUntil: null,
		disposable: false,
		network: true,
		idleTimeout: 0,
		...{ idleAction: "stop", pauseTimeout: 0, maxLifetime: 0, dependsOn: [], preload: 0, color: null },
		set: {},
	},
	...{
		memoryMiB: 2048,
		availableMiB: null,
		displayCut: null,
		cpus: 2,
		next: null,
		hypervisor: "qemu",
		supervisor: "direct",
		pid: 7,
	},
	...{ phase: null, phases: {}, bootMs: 900, usualBootMs: null },
};
const row = (changes: Partial<VmStatus>, width: number | null = null): string =>
	formatTable([{ ...idle, ...changes }], { ...look, width }).split("\n")[1] ?? "";

it("a vm that idleness never stops says so", () => {
	expect(row({})).toMatch(/ never stops by itself$/);
	expect(row({ stopsAt: new Date(now + 600_000).toISOString(), idleTimeout: 600 })).toMatch(/ stops in 10 min$/);
});

it("flags are told in words", () => {
	expect(row({ state: "failed", flags: ["vmmAlive"] })).toContain(" failed, still up ");
	expect(row({ flags: ["notConfigured"] })).toContain(" idle, not configured ");
	expect(row({ flags: ["unresponsive"] })).toContain(" idle, unresponsive ");
});

it("what a vmm said at its end is for status: a pipe gets the gist, a terminal what it has room for", () => {
	const reason = `its vmm ended with status 1: qemu-system-x86_64: -drive ${"x".repeat(170)}`;
	expect(row({ state: "failed", reason })).toMatch(/ its vmm ended with status 1$/);
	expect(row({ state: "failed", reason }, 80)).toHaveLength(80);
	expect(formatStatus({ ...idle, state: "failed", reason }, look)).toContain(reason);
});

it("what the next boot will have is told where it differs", () => {
	expect(formatStatus(idle, look)).not.toContain("next boot");
	const words = formatStatus({ ...idle, next: { memoryMiB: 512, cpus: 2, network: false, others: [] } }, look);
	expect(words).toMatch(/^ {2}memory +2048 MiB, 512 MiB from its next boot$/m);
	expect(words).toMatch(/^ {2}cpus +2$/m);
	expect(words).toMatch(/^ {2}network +yes, offline from its next boot$/m);
});

it("what has been set until its stop says so", () => {
	expect(formatStatus(idle, look)).not.toContain("until its stop");
	const words = formatStatus({ ...idle, idleTimeout: 600, set: { idleTimeout: 600 } }, look);
	expect(words).toMatch(/^ {2}idle +stops after 10 min \(set until its stop\)$/m);
	expect(words).not.toMatch(/^ {2}set /m);
	const more = formatStatus({ ...idle, set: { idleAction: "pause", pauseTimeout: 0, maxLifetime: 3_661 } }, look);
	expect(more).toMatch(
		/^ {2}set +idleAction pause, pauseTimeout 0 \(never\), maxLifetime 1 h 1 min 1 s until its stop$/m,
	);
});

it("what becomes of it by itself, and what it needs, are told where there is something to tell", () => {
	for (const line of ["life", "needs", "ready"])
		expect(formatStatus(idle, look)).not.toMatch(new RegExp(`^ {2}${line} `, "m"));
	const pausing = { ...idle, idleTimeout: 600, idleAction: "pause" } as const;
	expect(formatStatus(pausing, look)).toMatch(/^ {2}idle +is paused after 10 min, and stays so$/m);
	expect(formatStatus({ ...pausing, pauseTimeout: 3600 }, look)).toMatch(
		/^ {2}idle +is paused after 10 min, and stops 60 min later$/m,
	);
	const words = formatStatus({ ...idle, maxLifetime: 7200, dependsOn: ["net", "log"], preload: 2 }, look);
	expect(words).toMatch(/^ {2}life +2 h at most, whatever runs in it$/m);
	expect(words).toMatch(/^ {2}needs +net, log$/m);
	expect(words).toMatch(/^ {2}ready +2 disposable instances kept ready$/m);
});

it("a vm that is let be after failed boots says until when", () => {
	expect(formatStatus(idle, look)).not.toMatch(/^ {2}let be /m);
	const failed = { ...idle, state: "failed", reason: "its vmm ended with status 3" } as const;
	const until = new Date(2026, 10, 28, 16, 31).toISOString();
	expect(formatStatus({ ...failed, coolsUntil: until }, look)).toMatch(
		/^ {2}why +its vmm ended with status 3\n {2}let be +by runs, until 16:31:00$/m,
	);
});

it("a vm's name has the colour by which people know it", () => {
	const vms = [
		{ ...idle, color: "red" as const },
		{ ...idle, color: "black" as const },
	];
	const table = formatTable(vms, { ...look, colour: true });
	expect(table).toContain("\x1b[31mshopping");
	expect(table).toContain("\x1b[7mshopping");
	expect(formatStatus({ ...idle, color: "orange" }, { ...look, colour: true })).toContain("\x1b[1;38;5;208mshopping");
	expect(formatTable(vms, look)).not.toContain("\x1b");
});
