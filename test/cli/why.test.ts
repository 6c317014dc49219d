import { expect, it } from "vitest";
import { formatWhy } from "../../src/cli/why.ts";
import type { VmStatus } from "../../src/protocol/broker-replies.ts";

const now = new Date(2026, 10, 28, 16, 30).getTime();
const at = (hour: number, minute: number, day = 28): string => new Date(2026, 10, day, hour, minute).toISOString();
const lease = (words: string) => ({ kind: "session", words, since: at(14, 2) });
const idle: VmStatus = {
	...{ name: "shopping", id: 5, state: "idle", flags: [], since: at(14, 2), reason: null, remedy: null },
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

it.each<[string, Partial<VmStatus>, string]>([
	[
		"kept",
		{
			state: "ready",
			leases: [lease("firefox (session shopping.3.9f3c, 2 processes)"), lease("cat, which waits to run")],
		},
		"kept by firefox (session shopping.3.9f3c, 2 processes), since 14:02\nkept by cat, which waits to run, since 14:02\n",
	],
	["not heard", { state: "ready", flags: ["unresponsive"] }, "kept, since its guest is not heard: unresponsive\n"],
	["idle", { stopsAt: new Date(now + 200_000).toISOString() }, "idle since 14:02; stops in 3 min\n"],
	[
		"idle, and is paused next",
		{ pausesAt: new Date(now + 200_000).toISOString() },
		"idle since 14:02; is paused in 3 min\n",
	],
	[
		"paused",
		{ flags: ["paused"], stopsAt: new Date(now + 200_000).toISOString() },
		"idle since 14:02, and paused until it is asked for; stops in 3 min\n",
	],
	[
		"kept, and at the end of its life",
		{ state: "ready", leases: [lease("firefox")], stopsAt: new Date(now + 200_000).toISOString() },
		"kept by firefox, since 14:02\nstops in 3 min all the same: its maxLifetime\n",
	],
	[
		"idle for ever",
		{},
		"idle since 14:02; kept by nothing, but its idleTimeout is 0: it is never stopped for idleness\n",
	],
	[
		"paused for ever",
		{ flags: ["paused"], idleTimeout: 600, idleAction: "pause" },
		"idle since 14:02, and paused until it is asked for; it is never stopped for idleness\n",
	],
	[
		"waiting for others",
		{
			state: "booting",
			since: new Date(now - 1_900).toISOString(),
			phase: "dependencies",
			dependsOn: ["net", "db"],
			usualBootMs: 900,
		},
		"boots since 16:29, for 2 s; waits for net, db\n",
	],
	[
		"booting",
		{
			...{ state: "booting", since: new Date(now - 1_900).toISOString(), phase: "root", bootMs: null },
			...{ phases: { init: 1_500, root: 1_600 }, usualBootMs: 2_600, leases: [lease("true, which waits to run")] },
		},
		"boots since 16:29, for 2 s; reached init after 1.5 s; usually 2.6 s\nkept by true, which waits to run, since 14:02\n",
	],
	["shutting down", { state: "shutdown", reason: "idle for 10 min" }, "shuts down since 14:02: idle for 10 min\n"],
	[
		"stopped",
		{ state: "stopped", since: at(15, 10), reason: "idle for 10 min", pid: null },
		"stopped at 15:10: idle for 10 min\n",
	],
	[
		"stopped yesterday",
		{ state: "stopped", since: at(9, 5, 27), reason: "stopped by request", pid: null },
		"stopped at 2026-11-27 09:05: stopped by request\n",
	],
	[
		"let be",
		{ state: "stopped", since: at(16, 29), reason: "its vmm ended with status 3", coolsUntil: at(16, 31), pid: null },
		"stopped at 16:29: its vmm ended with status 3\nit has failed to boot again and again: runs don't boot it until 16:31:00\n",
	],
	["never up", { state: "stopped", pid: null }, "stopped: nothing has run in it since 14:02\n"],
	[
		"failed",
		{
			state: "failed",
			flags: ["vmmAlive"],
			reason: "no hello within 60 s; reached kernel",
			remedy: "qubes-lite logs shopping",
		},
		"failed at 14:02: no hello within 60 s; reached kernel\nits vmm is still up, for a look\n  → qubes-lite logs shopping\n",
	],
])("says why a vm is %s", (_, changes, words) => {
	expect(formatWhy({ ...idle, ...changes }, { colour: false, now, width: null })).toBe(words);
});
