import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BootMarks } from "../../src/broker/boot-marks.ts";

let directory: string;
const nonce = "0123456789abcdef0123456789abcdef";

function marksOf(path: string): BootMarks {
	const marks = new BootMarks();
	marks.settle(path);
	return marks;
}

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-marks-"));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("what a broker has noted the next one finds", () => {
	const marks = marksOf(directory);
	expect([marks.nonce, marks.isPaused, marks.overrides]).toEqual([null, false, {}]);
	marks.nonce = nonce;
	marks.isPaused = true;
	marks.overrides = { idleTimeoutMs: 5_000, idleAction: "pause", memoryMiB: 512 };
	const next = marksOf(directory);
	expect([next.nonce, next.isPaused, next.overrides]).toEqual([
		nonce,
		true,
		{ idleTimeoutMs: 5_000, idleAction: "pause", memoryMiB: 512 },
	]);
	next.isPaused = false;
	expect(marks.isPaused).toBe(false);
});

test.each([
	["no JSON", "{"],
	["a value of another type", '{"idleTimeoutMs":"5"}'],
	["a negative number", '{"idleTimeoutMs":-1}'],
	["a number beyond all", '{"idleTimeoutMs":1e300}'],
	["no memory at all", '{"memoryMiB":0}'],
	["an action that there is not", '{"idleAction":"sleep"}'],
	["a list", "[]"],
	["too much", JSON.stringify({ idleTimeoutMs: 5, rest: "x".repeat(5_000) })],
])("a file with %s says nothing", (_title, text) => {
	writeFileSync(join(directory, "overrides.json"), text);
	expect(marksOf(directory).overrides).toEqual({});
});

test("a nonce that is none is none", () => {
	writeFileSync(join(directory, "hello.nonce"), `${nonce}0`);
	expect(marksOf(directory).nonce).toBeNull();
});

test("a directory that is gone takes nothing, and is no error", () => {
	rmSync(directory, { recursive: true });
	const marks = marksOf(directory);
	marks.nonce = nonce;
	marks.isPaused = true;
	marks.isPaused = false;
	marks.overrides = { idleTimeoutMs: 5 };
	expect([marks.nonce, marks.isPaused, marks.overrides]).toEqual([null, false, {}]);
});

test("what is noted before there is a directory is there when it is", () => {
	const marks = new BootMarks();
	marks.overrides = { idleTimeoutMs: 5 };
	expect(marks.overrides).toEqual({ idleTimeoutMs: 5 });
	marks.begin(directory);
	expect(marksOf(directory).overrides).toEqual({ idleTimeoutMs: 5 });
});

test("what an earlier boot has left in the directory is not the next one's", () => {
	const earlier = marksOf(directory);
	Object.assign(earlier, { nonce, isPaused: true, isInhibited: true, overrides: { idleTimeoutMs: 5 }, beganAt: 1 });
	const marks = new BootMarks();
	marks.beganAt = 2;
	marks.begin(directory);
	const next = marksOf(directory);
	expect([next.nonce, next.isPaused, next.isInhibited, next.overrides]).toEqual([null, false, false, {}]);
	expect(next.beganAt).toBe(2);
});

test.each([
	["that are none", "[]"],
	[
		"that take too long",
		JSON.stringify({ maxLifetimeMs: 1, shutdown: { askMs: 3_600_001, buttonMs: 1, terminateMs: 1, killMs: 1 } }),
	],
	["of another shape", JSON.stringify({ maxLifetimeMs: "1" })],
])("bounds %s are not known", (_title, text) => {
	const bounds = { maxLifetimeMs: 60_000, shutdown: { askMs: 1, buttonMs: 2, terminateMs: 3, killMs: 4 } };
	expect(marksOf(directory).bounds).toBeNull();
	marksOf(directory).bounds = bounds;
	expect(marksOf(directory).bounds).toEqual(bounds);
	writeFileSync(join(directory, "instance.json"), text);
	expect(marksOf(directory).bounds).toBeNull();
});
