import { describe, expect, test } from "vitest";
import { noLeases, withLease } from "../../src/statemachines/leases.ts";
import {
	bootDeadlineMs,
	hasWaiting,
	idleLimitMs,
	idleTimerMs,
	initialContext,
	isAnswerable,
	isUnused,
	stopsAt,
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
		expect(stopsAt(contextWith({ idleTimeoutMs: 5_000, idleSince: 7 }))).toBe(5_007);
		expect(stopsAt(contextWith({ idleTimeoutMs: 5_000, idleSince: null }))).toBeNull();
		expect(stopsAt(contextWith({ idleTimeoutMs: 0, idleSince: 7 }))).toBeNull();
	});
});

describe("the idle timer", () => {
	const idle = (idleTimeoutMs: number, idleSince: number) => idleTimerMs(contextWith({ idleTimeoutMs, idleSince }));

	test("rings when the stop is due, at once where it was due earlier, and never where it is not", () => {
		expect(idle(5_000, nowMs - 1_000)).toBe(4_000);
		expect(idle(5_000, nowMs - 9_000)).toBe(0);
		expect(idle(0, nowMs)).toBeNull();
	});

	test("is never longer than setTimeout can hold", () => {
		expect(idle(2 ** 31 - 1, nowMs)).toBe(2 ** 31 - 1);
		expect(idle(2 ** 31, nowMs)).toBe(2 ** 31 - 1);
		expect(idle(365 * 86_400_000, nowMs)).toBe(2 ** 31 - 1);
	});
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
