import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { findNameServer } from "../../src/host/name-server.ts";

const directory = mkdtempSync(join(tmpdir(), "resolv-"));
afterAll(() => rmSync(directory, { recursive: true }));

it.each([
	["the first", "search lan\nnameserver 192.168.1.1\nnameserver 9.9.9.9\n", "192.168.1.1"],
	["not the host's own loopback", "nameserver 127.0.0.53\nnameserver 9.9.9.9\n", "9.9.9.9"],
	["IPv4", "nameserver fd00::1\nnameserver\t10.0.0.1 \n", "10.0.0.1"],
	["nothing that is commented out", "# nameserver 9.9.9.9\n;nameserver 9.9.9.9\n", null],
	["nothing where there is none", "", null],
])("is %s", (_what, text, found) => {
	const path = join(directory, "resolv.conf");
	writeFileSync(path, text);
	expect(findNameServer(["/nowhere/resolv.conf", path])).toBe(found);
});
