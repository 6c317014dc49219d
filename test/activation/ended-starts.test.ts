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

	it.each([
		["where the shim saw a signal", "137 -", "oom-kill"],
		["where only the shim has seen it, since its unit goes on after such ends", "137 - oom-kill", "signal"],
	])("by the kernel for want of memory says so, also %s", async (_, record, result) => {
		writeFileSync(join(directory, "exit"), `${record}\n`);
		expect(await readEnd(directory, { result, code: null, signal: 9 })).toMatchObject({
			signal: "SIGKILL",
			cause: "used more memory than it may (MemoryMax of its unit, or the host's)",
		});
	});
});
