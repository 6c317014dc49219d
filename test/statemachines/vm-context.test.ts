import { describe, expect, test } from "vitest";
import { noLeases, withLease } from "../../src/statemachines/leases.ts";
import {
	bootDeadlineMs,
	bootLimitMs,
	coolsUntil,
	dueNow,
	hasWaiting,
	idleLimitMs,
	initialContext,
	isAnswerable,
	isUnused,
	nextDue,
	nextStop,
	timerMs,
	type VmContext,
} from "../../src/statemachines/vm-context.ts";
import { defaultInput } from "./vm-harness.ts";

const nowMs = 1_000_000;

function contextWith(facts: Partial<VmContext> = {}): VmContext {
	return { ...initialContext({ ...defaultInput, now: () => nowMs }), ...facts };
}

describe("a new context", () => {
	test("of a vm that does not run knows of no vmm", () => {
		expect(contextWith()).toMatchObject({ boot: 0, vmmAlive: false, linked: false, used: false, since: nowMs });
	});

	test("of an adopted vmm counts its boot from when it began, and as unused until its guest speaks", () => {
		const adopted = { saidHello: false, ageMs: 400 };
		expect(initialContext({ ...defaultInput, adopted, now: () => nowMs })).toMatchObject({
			vmmAlive: true,
			used: false,
			bootBeganAt: nowMs - 400,
		});
	});
});

describe("a vm is unused", () => {
	test("only where nothing holds it and its guest is heard", () => {
		expect(isUnused(contextWith({ linked: true }))).toBe(true);
		expect(isUnused(contextWith({ linked: false }))).toBe(false);
		expect(isUnused(contextWith({ linked: true, unresponsive: true }))).toBe(false);
		const leases = withLease(noLeases, { kind: "session", id: 1, label: "x", since: 0 });
		expect(isUnused(contextWith({ linked: true, leases }))).toBe(false);
	});
});

test("a guest can serve where it is connected and heard", () => {
	expect(isAnswerable(contextWith({ linked: true }))).toBe(true);
	expect(isAnswerable(contextWith({ linked: false }))).toBe(false);
	expect(isAnswerable(contextWith({ linked: true, unresponsive: true }))).toBe(false);
});

test("only requests wait for a boot; a session does not, and who attaches to one does not", () => {
	const session = withLease(noLeases, { kind: "session", id: 1, label: "x", since: 0 });
	expect(hasWaiting(contextWith({ leases: session }))).toBe(false);
	const request = withLease(session, { kind: "request", id: 1, label: "x", since: 0 });
	expect(hasWaiting(contextWith({ leases: request }))).toBe(true);
	const attachment = withLease(session, { kind: "request", id: 1, label: "x", since: 0, wants: "attachment" });
	expect(hasWaiting(contextWith({ leases: attachment }))).toBe(false);
});

describe("the limit of idleness", () => {
	test("is idleTimeout, and 0 of it is none", () => {
		expect(idleLimitMs(contextWith({ idleTimeoutMs: 5_000 }))).toBe(5_000);
		expect(idleLimitMs(contextWith({ idleTimeoutMs: 0 }))).toBeNull();
	});

	test("of a disposable is nothing after use and a minute before, whatever idleTimeout says", () => {
		for (const idleTimeoutMs of [0, 5_000]) {
			expect(idleLimitMs(contextWith({ disposable: true, used: true, idleTimeoutMs }))).toBe(0);
			expect(idleLimitMs(contextWith({ disposable: true, used: false, idleTimeoutMs }))).toBe(60_000);
		}
	});

	test("gives an instant only while a vm is idle", () => {
		expect(nextDue(contextWith({ idleTimeoutMs: 5_000, idleSince: 7 }))).toEqual({ at: 5_007, cause: "idle" });
		expect(nextDue(contextWith({ idleTimeoutMs: 5_000, idleSince: null }))).toBeNull();
		expect(nextDue(contextWith({ idleTimeoutMs: 0, idleSince: 7 }))).toBeNull();
	});
});

describe("what comes next by itself", () => {
	const pausing = { idleAction: "pause", idleTimeoutMs: 5_000, idleSince: 7 } as const;

	test("is the end of its life where that comes first, whether it is idle or not", () => {
		const facts = { maxLifetimeMs: 60_000, bootBeganAt: 1_000 };
		expect(nextDue(contextWith(facts))).toEqual({ at: 61_000, cause: "lifetime" });
		expect(nextDue(contextWith({ ...facts, idleTimeoutMs: 5_000, idleSince: 7 }))?.cause).toBe("idle");
		expect(nextDue(contextWith({ ...facts, idleTimeoutMs: 70_000, idleSince: 7 }))?.cause).toBe("lifetime");
	});

	test("is no stop where idleness pauses it first, but for a disposable", () => {
		expect(nextDue(contextWith(pausing))?.cause).toBe("idle");
		expect(nextStop(contextWith(pausing))).toBeNull();
		expect(nextStop(contextWith({ ...pausing, disposable: true, used: true }))?.cause).toBe("idle");
	});

	test("is, of a paused vm, the end of its pauseTimeout, if it has one", () => {
		const paused = { ...pausing, paused: true, pausedSince: 10 };
		expect(nextDue(contextWith(paused))).toBeNull();
		expect(nextDue(contextWith({ ...paused, pauseTimeoutMs: 3_000 }))).toEqual({ at: 3_010, cause: "pause" });
	});

	test("is due at its instant, and not before", () => {
		const idle = { idleTimeoutMs: 5_000, idleSince: nowMs - 5_000 };
		expect(dueNow(contextWith(idle))).toBe("idle");
		expect(dueNow(contextWith({ ...idle, idleSince: nowMs - 4_999 }))).toBeNull();
		expect(dueNow(contextWith())).toBeNull();
	});
});

describe("a timer", () => {
	const until = (ms: number) => timerMs(contextWith(), nowMs + ms);

	test("rings at its instant, and at once where that has passed", () => {
		expect(until(4_000)).toBe(4_000);
		expect(until(-4_000)).toBe(0);
	});

	test("is never longer than setTimeout can hold", () => {
		expect(until(2 ** 31 - 1)).toBe(2 ** 31 - 1);
		expect(until(2 ** 31)).toBe(2 ** 31 - 1);
		expect(until(365 * 86_400_000)).toBe(2 ** 31 - 1);
	});
});

describe("a boot may take", () => {
	const limit = (slowestBootMs: number) =>
		bootLimitMs(contextWith({ bootTimeoutMs: 60_000, slowestBootMs: () => slowestBootMs }));

	test("its bootTimeout, or twice as long as the slowest of late ones, but not for ever", () => {
		expect(limit(0)).toBe(60_000);
		expect(limit(29_000)).toBe(60_000);
		expect(limit(45_000)).toBe(90_000);
		expect(limit(3_600_000)).toBe(240_000);
	});
});

test("a vm cools from its third failed boot in a row, each time twice as long, and ten minutes at most", () => {
	const cooling = (failedBoots: number) => coolsUntil(contextWith({ failedBoots })) - nowMs;
	expect([0, 1, 2, 3, 4, 9].map(cooling)).toEqual([0, 0, 30_000, 60_000, 120_000, 600_000]);
});

describe("the boot deadline", () => {
	const bootTimeoutMs = 60_000;

	test("counts from the beginning of the boot, and is never negative", () => {
		expect(bootDeadlineMs(contextWith({ bootTimeoutMs, bootBeganAt: nowMs - 10_000 }))).toBe(50_000);
		expect(bootDeadlineMs(contextWith({ bootTimeoutMs, bootBeganAt: nowMs - 70_000 }))).toBe(0);
	});

	test("leaves an adopted boot at least 5 s, but not the boots after it", () => {
		const adopted = { saidHello: false, ageMs: 59_000 };
		const facts = { bootTimeoutMs, adopted, bootBeganAt: nowMs - 59_000 };
		expect(bootDeadlineMs(contextWith(facts))).toBe(5_000);
		expect(bootDeadlineMs(contextWith({ ...facts, boot: 1 }))).toBe(1_000);
		expect(bootDeadlineMs(contextWith({ ...facts, bootBeganAt: nowMs - 10_000 }))).toBe(50_000);
	});
});
