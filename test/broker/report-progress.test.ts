import { expect, test } from "vitest";
import type { ClientConnection } from "../../src/broker/client-connection.ts";
import { reportProgress } from "../../src/broker/report-progress.ts";
import type { Vm } from "../../src/broker/vm.ts";
import { fromBrokerLimits, type Progress, parseProgress } from "../../src/protocol/broker.ts";
import { FrameDecoder } from "../../src/protocol/frame.ts";
import { framesOf } from "../protocol/frames-of.ts";

/** A boot as its machine has it at 1000 ms, for a client that has asked at `askedAt`. */
function tell(
	boot: { usualBootMs: number | null; began: number; vmmAlive?: boolean; state?: string },
	askedAt = 1_000,
) {
	const { state = "booting", usualBootMs, began, vmmAlive = true } = boot;
	const told: Progress[] = [];
	let now = askedAt;
	let look = (): void => {};
	const context = { phase: "vmm", bootBeganAt: began, vmmAlive };
	const vm = {
		...{ config: { name: "shopping" }, usualBootMs, snapshot: () => ({ state, context }) },
		watch: (listener: () => void) => {
			look = listener;
		},
	} as unknown as Vm;
	const send = (frame: Buffer) =>
		told.push(...framesOf(new FrameDecoder(fromBrokerLimits), frame).map(({ payload }) => parseProgress(payload)));
	reportProgress({ send } as unknown as ClientConnection, vm, () => now);
	now = 1_000;
	look();
	return { told, look, context };
}

test("a boot is told with what to expect, and again when that or its phase changes", () => {
	const { told, look, context } = tell({ usualBootMs: 2_600, began: 1_000 });
	look();
	context.phase = "init";
	look();
	context.bootBeganAt = 1_100;
	look();
	expect(told).toEqual([
		{ phase: "vmm", elapsedMs: 0, expectedMs: 2_600 },
		{ phase: "init", elapsedMs: 0, expectedMs: 2_600 },
		{ phase: "init", elapsedMs: 0, expectedMs: 2_700 },
	]);
});

test("who asked before it began waits longer, and who comes late not so long", () => {
	expect(tell({ usualBootMs: 2_600, began: 900 }, 400).told).toEqual([
		{ phase: "vmm", elapsedMs: 600, expectedMs: 3_100 },
	]);
	expect(tell({ usualBootMs: 2_600, began: -1_000 }).told).toEqual([{ phase: "vmm", elapsedMs: 0, expectedMs: 600 }]);
});

test.each([
	["of which no boot is known", { usualBootMs: null, began: 1_000 }],
	["that waits for other vms", { usualBootMs: 2_600, began: -9_000, vmmAlive: false }],
	["that is late already", { usualBootMs: 2_600, began: -1_600 }],
])("nothing is expected of a vm %s", (_, boot) => {
	expect(tell(boot).told).toEqual([{ phase: "vmm", elapsedMs: 0 }]);
});

test("nothing is expected of a vm that shuts down", () => {
	expect(tell({ usualBootMs: 2_600, began: 900, state: "shutdown" }).told).toEqual([
		{ phase: "shutdown", elapsedMs: 0 },
	]);
});
