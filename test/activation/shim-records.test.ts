import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
	type BootRecord,
	parseBootRecord,
	parseExitRecord,
	parseProcessIdentity,
	readBootRecord,
	writeBootRecord,
} from "../../src/activation/shim-records.ts";
import { toFakePlan } from "../fakes/fake-vmm-host.ts";

let directory: string;
let record: BootRecord;
beforeEach(() => {
	directory = mkdtempSync("/tmp/qubes-lite-test-");
	mkdirSync(join(directory, "shim"));
	record = {
		schema: 1,
		hostBootId: "3d1a1c5e-5a0f-4f0e-9d7c-0d5b1f7a2b11",
		shim: { pid: 4711, startTime: 207634 },
		boot: "0123456789abcdef",
		startedAtUptimeMs: 12.5,
		plan: toFakePlan(directory, ["exit", "0"], ["serve"]),
	};
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("boot.json", () => {
	it("comes back as it was written", async () => {
		await writeBootRecord(record);
		expect(readBootRecord(directory)).toEqual(record);
	});

	it("is absent where there is none, a symlink, a directory, or too much", async () => {
		const path = join(directory, "shim/boot.json");
		expect(readBootRecord(directory)).toBe(undefined);
		mkdirSync(path);
		expect(readBootRecord(directory)).toBe(undefined);
		rmSync(path, { recursive: true });
		writeFileSync(`${path}.real`, JSON.stringify(record));
		symlinkSync(`${path}.real`, path);
		expect(readBootRecord(directory)).toBe(undefined);
		rmSync(path);
		writeFileSync(path, JSON.stringify(record).padEnd(5 * 1024 * 1024));
		expect(readBootRecord(directory)).toBe(undefined);
	});

	it.each([
		["another schema", { schema: 2 }],
		["a short token, which others may carry", { boot: "ab" }],
		["a token that is no word", { boot: "0123456789 abcdef" }],
		["the pid of init", { shim: { pid: 1, startTime: 5 } }],
		["the pid of a process group", { shim: { pid: -4711, startTime: 5 } }],
		["a start time that is no number", { shim: { pid: 4711, startTime: "5" } }],
		["an unknown key", { extra: true }],
		["no plan", { plan: undefined }],
		["a relative directory", { plan: { ...toFakePlan("/a", []), directory: "a" } }],
		["an empty argv", { plan: { ...toFakePlan("/a", []), vmm: { name: "x", argv: [] } } }],
	])("is absent with %s", (_, change) => {
		expect(parseBootRecord(JSON.stringify(record))).toEqual(record);
		expect(parseBootRecord(JSON.stringify({ ...record, ...change }))).toBe(undefined);
	});

	it("is absent for any other text", () => {
		fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => parseBootRecord(text) === undefined));
	});

	it("is absent when it breaks off anywhere", () => {
		const text = JSON.stringify(record);
		fc.assert(fc.property(fc.nat(text.length - 1), (length) => parseBootRecord(text.slice(0, length)) === undefined));
	});
});

describe("the exit file", () => {
	it.each([
		["0 -", 0, null, null],
		["143 0", 143, 0, null],
		["143 0 vhost-device-vsock", 143, 0, "vhost-device-vsock"],
		["- 12 an odd name", null, 12, "an odd name"],
		["- -", null, null, null],
	])("'%s' is status %s, lost helper %s, its program %s", (text, status, lostHelper, lostProgram) => {
		const record = { status, lostHelper, lostProgram, isOutOfMemory: false };
		expect(parseExitRecord(`${text}\n`)).toEqual(record);
		expect(parseExitRecord(`${text.padEnd(31)}\n`)).toEqual(record);
	});

	it("tells of a kernel that was short of memory", () => {
		const record = { status: 137, lostHelper: null, lostProgram: null, isOutOfMemory: true };
		expect(parseExitRecord(`${"137 - oom-kill".padEnd(31)}\n`)).toEqual(record);
	});

	it.each(["", "0", "0 -", "0  -\n", "0 - program\n", "0 -\n\n", "1000 -\n", "-1 -\n", " 0 -\n"])(
		"is not %j",
		(text) => {
			expect(parseExitRecord(text)).toBe(undefined);
		},
	);
});

describe("the pid file", () => {
	it("holds pid and start time", () => {
		expect(parseProcessIdentity("4711 207634\n")).toEqual({ pid: 4711, startTime: 207634 });
	});

	it.each(["", "4711", "4711 \n", "4711 207634", "0 5\n", "1 5\n", "-1 5\n", "4711 5 6\n", "99999999999 5\n"])(
		"is not %j",
		(text) => {
			expect(parseProcessIdentity(text)).toBe(undefined);
		},
	);
});
