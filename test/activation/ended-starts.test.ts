import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readEnd } from "../../src/activation/ended-starts.ts";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "qubes-lite-test-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const success = { result: "success", code: 0, signal: null };

describe("an end of a unit", () => {
	it.each([
		["0 -", null],
		["143 0 vhost-device-vsock", "vhost-device-vsock"],
		["143 0 virtiofsd", "virtiofsd"],
		["143 1", "helper 1"],
	])("whose shim has written '%s' has lost %s", async (record, lostHelper) => {
		writeFileSync(join(directory, "exit"), `${record.padEnd(31)}\n`);
		expect(await readEnd(directory, success)).toMatchObject({ lostHelper, cause: null });
	});

	it("by the kernel for want of memory says so, also where the shim saw a signal", async () => {
		writeFileSync(join(directory, "exit"), "137 -\n");
		expect(await readEnd(directory, { result: "oom-kill", code: null, signal: 9 })).toMatchObject({
			signal: "SIGKILL",
			cause: "used more memory than it may (MemoryMax of its unit, or the host's)",
		});
	});
});
