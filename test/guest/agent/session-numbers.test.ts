import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SessionNumbers } from "../../../src/guest/agent/session-numbers.ts";

let directory: string;
let path: string;

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-numbers-"));
	path = join(directory, "last-session");
});

afterEach(() => {
	rmSync(directory, { recursive: true });
});

describe("the last session's number", () => {
	it("is exact for as long as the agent lives, and 0 before the first", () => {
		const numbers = new SessionNumbers(path);
		expect(numbers.last).toBe(0);
		for (const number of [1, 7, 3]) numbers.used(number);
		expect(numbers.last).toBe(7);
	});

	it("is never below what an agent before had, however often that crashed", () => {
		let highest = 0;
		for (let round = 0; round < 10; round++) {
			const numbers = new SessionNumbers(path);
			expect(numbers.last).toBeGreaterThanOrEqual(highest);
			for (let session = 0; session < 50 * round; session++) numbers.used(numbers.last + 1);
			highest = numbers.last;
		}
	});

	it("is written once in a hundred", () => {
		const numbers = new SessionNumbers(path);
		const written = new Set<string>();
		for (let number = 1; number <= 1000; number++) {
			numbers.used(number);
			written.add(readFileSync(path, "utf8"));
		}
		expect(written.size).toBe(10);
		expect(statSync(path).mode & 0o777).toBe(0o600);
	});

	it.each(["", "x", "-1", "1e3", "99999999999"])("is 0 where the file holds none: '%s'", (text) => {
		writeFileSync(path, text);
		expect(new SessionNumbers(path).last).toBe(0);
	});

	it("is kept in what a hello has room for", () => {
		writeFileSync(path, "9999999999");
		expect(new SessionNumbers(path).last).toBe(2 ** 31);
	});

	it("goes on without a place to write it", () => {
		const numbers = new SessionNumbers(join(directory, "missing/last-session"));
		numbers.used(5);
		expect(numbers.last).toBe(5);
	});
});
