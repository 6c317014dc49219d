import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitForChange } from "../../src/activation/change-watch.ts";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync("/tmp/qubes-lite-test-");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const never = { watchedMs: 1e9, unwatchedMs: 1e9 };
const read = () => readFileSync(join(directory, "exit"), "utf8") || undefined;

describe("waiting for a change", () => {
	it("ends at once where the answer is there", async () => {
		expect(await waitForChange("/nowhere", () => 0, never)).toBe(0);
	});

	it("ends with a change of the directory; a look that throws is no answer", async () => {
		const waiting = waitForChange(directory, read, never);
		writeFileSync(join(directory, "other"), "no");
		writeFileSync(join(directory, "exit"), "0");
		expect(await waiting).toBe("0");
	});

	it("ends with a change that came before the watch", async () => {
		let looks = 0;
		expect(await waitForChange(directory, () => (looks++ === 0 ? undefined : "late"), never)).toBe("late");
	});

	it("looks at intervals where nothing can be watched", async () => {
		let looks = 0;
		const look = () => (looks++ < 5 ? undefined : looks);
		expect(await waitForChange("/nowhere", look, { watchedMs: 1e9, unwatchedMs: 1 })).toBe(6);
	});

	it("goes on at intervals when the directory goes", async () => {
		let gone = false;
		const waiting = waitForChange(directory, () => gone || undefined, { watchedMs: 5, unwatchedMs: 1e9 });
		rmSync(directory, { recursive: true });
		setImmediate(() => {
			gone = true;
		});
		expect(await waiting).toBe(true);
	});
});
