import { linkSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRingTail } from "../../src/activation/log-ring.ts";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync("/tmp/qubes-lite-test-");
});
afterEach(() => rmSync(directory, { recursive: true }));

const put = (suffix: string, text: string) => writeFileSync(join(directory, `console.log${suffix}`), text);
const tail = async (maxBytes: number) => (await readRingTail(directory, "console.log", maxBytes)).toString();

describe("the tail of a ring", () => {
	it("is empty where there is no ring", async () => {
		expect(await tail(100)).toBe("");
	});

	it("goes over its three files, oldest first", async () => {
		put(".2", "abc");
		put(".1", "def");
		put("", "ghi");
		expect(await Promise.all([0, 1, 3, 4, 6, 8, 9, 100].map(tail))).toEqual([
			"",
			"i",
			"ghi",
			"fghi",
			"defghi",
			"bcdefghi",
			"abcdefghi",
			"abcdefghi",
		]);
	});

	it("goes over an empty or missing last file, as after a rotation", async () => {
		put(".1", "def");
		expect(await tail(2)).toBe("ef");
		put("", "");
		expect(await tail(2)).toBe("ef");
	});

	it("has a file once that a rotation shows under two names", async () => {
		put("", "ghi");
		linkSync(join(directory, "console.log"), join(directory, "console.log.1"));
		expect(await tail(100)).toBe("ghi");
	});

	it("follows no symlink", async () => {
		writeFileSync(join(directory, "secret"), "secret");
		symlinkSync(join(directory, "secret"), join(directory, "console.log"));
		expect(await tail(100)).toBe("");
	});
});
