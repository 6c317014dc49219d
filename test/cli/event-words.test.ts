import { expect, it } from "vitest";
import { formatEvent } from "../../src/cli/event-words.ts";
import type { BrokerEvent } from "../../src/protocol/broker-events.ts";

const time = (hour: number, minute: number, second: number): string =>
	new Date(2026, 10, 28, hour, minute, second).toISOString();
const at = time(15, 10, 2);
const vm = "shopping";
const none = { flags: [], reason: null, remedy: null };

it.each<[BrokerEvent, string]>([
	[{ at, type: "is", vm, state: "stopped", ...none }, "is stopped"],
	[{ at, type: "is", vm, state: "idle", ...none, flags: ["paused"] }, "is idle, paused"],
	[{ at, type: "state", vm, from: "ready", to: "idle", ...none }, "ready → idle"],
	[
		{
			at,
			type: "state",
			vm,
			from: "booting",
			to: "failed",
			flags: ["vmmAlive"],
			reason: "no\nhello",
			remedy: "try \x1b",
		},
		"booting → failed, vmmAlive: no hello (try \uFFFD)",
	],
	[
		{ at, type: "stop-announced", vm, stopsAt: time(15, 10, 32), sentence: "idle for 1 min" },
		"stops at 15:10:32: idle for 1 min",
	],
	[{ at, type: "stop-averted", vm }, "does not stop then"],
	[
		{ at, type: "boot", vm, ms: 1_440, phases: { agent: 1_100, init: 300 } },
		"has booted in 1.4 s (init 0.3 s, agent 1.1 s)",
	],
	[{ at, type: "boot", vm, ms: 1_440, phases: {} }, "has booted in 1.4 s"],
	[{ at, type: "vm-added", vm }, "is new"],
	[{ at, type: "vm-gone", vm }, "is gone"],
])("an event is one line for people: %j", (event, words) => {
	expect(formatEvent(event, 8)).toBe(`15:10:02 shopping  ${words}\n`);
});

it("another broker says so", () => {
	const event: BrokerEvent = { at, type: "broker", pid: 7, vms: [] };
	expect(formatEvent(event, 8)).toBe("15:10:02 broker    another one tells from here on, pid 7\n");
});
