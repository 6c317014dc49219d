import { describe, expect, it } from "vitest";
import { EventHistory } from "../../src/cli/event-history.ts";
import type { BrokerEvent } from "../../src/protocol/broker-events.ts";

const at = "2026-11-28T15:10:02.000Z";
const facts = { flags: [], reason: null, remedy: null };
const broker = (pid: number, ...vms: string[]): BrokerEvent => ({ at, type: "broker", pid, vms });
const is = (vm: string, state: "idle" | "ready", flags: string[] = []): BrokerEvent => ({
	...{ at, type: "is", vm, state },
	...{ ...facts, flags },
});
const announced: BrokerEvent = { at, type: "stop-announced", vm: "a", stopsAt: at, sentence: "idle for 1 min" };

function historyOf(...events: BrokerEvent[]): EventHistory {
	const history = new EventHistory();
	for (const event of events) expect(history.take(event)).toEqual([event]);
	return history;
}

describe("a history of events", () => {
	it("passes on what the first broker says, and nothing that is not known", () => {
		const history = historyOf(
			broker(1, "a", "b"),
			is("a", "idle"),
			announced,
			{ at, type: "stop-averted", vm: "a" },
			{ at, type: "state", vm: "a", from: "idle", to: "ready", ...facts },
			{ at, type: "vm-added", vm: "c" },
			is("c", "idle"),
			{ at, type: "boot", vm: "c", ms: 1, phases: {} },
			{ at, type: "vm-gone", vm: "c" },
		);
		expect(history.take({ at, type: "unknown" })).toEqual([]);
	});

	it("tells what has changed only, of the snapshot of a later one", () => {
		const history = historyOf(broker(1, "a", "b", "c", "d"), is("a", "idle"), is("b", "idle"), is("c", "idle"));
		history.take(is("d", "idle"));
		expect(history.take(broker(2, "a", "b", "d", "e"))).toEqual([
			broker(2, "a", "b", "d", "e"),
			{ at, type: "vm-gone", vm: "c" },
		]);
		expect(history.take(is("a", "idle"))).toEqual([]);
		expect(history.take(is("b", "ready"))).toEqual([is("b", "ready")]);
		expect(history.take(is("d", "idle", ["paused"]))).toEqual([is("d", "idle", ["paused"])]);
		expect(history.take(is("e", "idle"))).toEqual([{ at, type: "vm-added", vm: "e" }, is("e", "idle")]);
	});

	it("calls off what the broker before has announced, and no stop that has come", () => {
		const history = historyOf(broker(1, "a"), is("a", "idle"), announced);
		expect(history.take(broker(2, "a"))).toEqual([broker(2, "a"), { at, type: "stop-averted", vm: "a" }]);
		expect(history.take(broker(3, "a"))).toEqual([broker(3, "a")]);
		history.take(announced);
		history.take({ at, type: "state", vm: "a", from: "idle", to: "shutdown", ...facts });
		expect(history.take(broker(4, "a"))).toEqual([broker(4, "a")]);
	});
});
