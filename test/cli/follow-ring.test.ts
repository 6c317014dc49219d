/** The reader of a ring against a writer that does to files what the shim's `ring` does. */
import {
	appendFileSync,
	mkdtempSync,
	readdirSync,
	readlinkSync,
	renameSync,
	rmSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { lastLinesOf, RingReader, readLastLines } from "../../src/cli/follow-ring.ts";

let directory: string;
let path: string;
let reader: RingReader;

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-ring-"));
	path = join(directory, "console.log");
	reader = new RingReader(path);
});

afterEach(async () => {
	await reader.close();
	const open = readdirSync("/proc/self/fd").map((fd) => {
		try {
			return readlinkSync(`/proc/self/fd/${fd}`);
		} catch {
			return "";
		}
	});
	expect(open.filter((target) => target.startsWith(directory))).toEqual([]);
	rmSync(directory, { recursive: true });
});

function rotate(): void {
	try {
		renameSync(`${path}.1`, `${path}.2`);
	} catch {}
	renameSync(path, `${path}.1`);
}

async function readAll(): Promise<string> {
	const chunks: Buffer[] = [];
	for (let bytes = await reader.read(); bytes !== undefined; bytes = await reader.read()) chunks.push(bytes);
	return Buffer.concat(chunks).toString();
}

describe("a ring that is read while it is written", () => {
	it("leaves nothing open where an older file is none", async () => {
		writeFileSync(path, "one\n");
		symlinkSync("elsewhere", `${path}.1`);
		await expect(reader.read()).rejects.toMatchObject({ code: "ELOOP" });
	});

	it("gives what is added, once, and undefined where nothing is", async () => {
		expect(await readAll()).toBe("");
		writeFileSync(path, "one\n");
		expect(await readAll()).toBe("one\n");
		expect(await reader.read()).toBeUndefined();
		appendFileSync(path, "two");
		expect(await readAll()).toBe("two");
	});

	it("begins with its oldest file", async () => {
		writeFileSync(`${path}.2`, "oldest\n");
		writeFileSync(`${path}.1`, "older\n");
		writeFileSync(path, "newest\n");
		expect(await readAll()).toBe("oldest\nolder\nnewest\n");
		expect(await readAll()).toBe("");
	});

	it.each([1, 2])("goes on behind %i rotations between two looks", async (rotations) => {
		writeFileSync(path, "seen\n");
		expect(await readAll()).toBe("seen\n");
		appendFileSync(path, "before it was rotated\n");
		let expected = "before it was rotated\n";
		for (let count = 1; count <= rotations; count++) {
			rotate();
			writeFileSync(path, `after ${count}\n`);
			expected += `after ${count}\n`;
		}
		expect(await readAll()).toBe(expected);
		expect(await readAll()).toBe("");
	});

	it("waits for the new file where it has been rotated but nothing was written since", async () => {
		writeFileSync(path, "seen\n");
		await readAll();
		rotate();
		expect(await readAll()).toBe("");
		writeFileSync(path, "new\n");
		expect(await readAll()).toBe("new\n");
	});

	it("goes on with what is left after more rotations than the ring has files", async () => {
		writeFileSync(path, "seen\n");
		await readAll();
		for (const line of ["lost", "oldest", "older", "newest"]) {
			rotate();
			writeFileSync(path, `${line}\n`);
		}
		expect(await readAll()).toBe("oldest\nolder\nnewest\n");
	});

	it("follows a vm's next boot, whose ring is another with the same name", async () => {
		writeFileSync(`${path}.1`, "old ring\n");
		writeFileSync(path, "last words\n");
		await readAll();
		appendFileSync(path, "very last words\n");
		for (const file of [path, `${path}.1`]) rmSync(file);
		expect(await readAll()).toBe("very last words\n");
		writeFileSync(path, "next boot\n");
		expect(await readAll()).toBe("next boot\n");
	});

	it("begins anew where it was emptied", async () => {
		writeFileSync(path, "a long line\n");
		await readAll();
		truncateSync(path);
		expect(await readAll()).toBe("");
		appendFileSync(path, "short\n");
		expect(await readAll()).toBe("short\n");
	});

	it("says what it can't read", async () => {
		writeFileSync(join(directory, "elsewhere"), "secret");
		symlinkSync("elsewhere", path);
		await expect(reader.read()).rejects.toThrow("ELOOP");
	});
});

test("the last lines are cut from the bytes that it has now, and reading goes on behind them", async () => {
	writeFileSync(`${path}.1`, "1\n2\n");
	writeFileSync(path, "3\n4\npart");
	expect((await readLastLines(reader, 3, 1_000_000)).toString()).toBe("3\n4\npart");
	appendFileSync(path, "ly\n");
	expect(await readAll()).toBe("ly\n");
});

test("a ring that is flooded is not read for ever", async () => {
	writeFileSync(path, "x".repeat(1_000_000));
	expect((await readLastLines(reader, null, 100_000)).length).toBe(2 * 64 * 1024);
});

test.each([
	["a\nb\nc\n", 2, "b\nc\n"],
	["a\nb\nc", 2, "b\nc"],
	["a\nb\n", 2, "a\nb\n"],
	["a\nb\n", 9, "a\nb\n"],
	["a\n\n", 1, "\n"],
	["\n\n", 2, "\n\n"],
	["\n", 1, "\n"],
	["a", 1, "a"],
	["a\n", 0, ""],
	["", 1, ""],
])("of %j the last %i lines are %j", (text, count, expected) => {
	expect(lastLinesOf(Buffer.from(text), count).toString()).toBe(expected);
});
