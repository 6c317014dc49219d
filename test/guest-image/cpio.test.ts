import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { type CpioEntry, writeCpio } from "../../guest-image/cpio.ts";

/** Where Debian's package has it; it reads archives with code that is not ours. */
const busybox = "/bin/busybox";

const entries: CpioEntry[] = [
	{ kind: "directory", path: "bin" },
	{ kind: "file", path: "bin/tool", data: Buffer.from("abcde"), executable: true },
	{ kind: "symlink", path: "bin/sh", target: "tool" },
	{ kind: "file", path: "empty", data: Buffer.alloc(0) },
];

describe("the cpio writer", () => {
	it("writes a header of thirteen fixed-width hex fields, then name and data, each padded to four bytes", () => {
		const archive = writeCpio([{ kind: "file", path: "init", data: Buffer.from("hi"), executable: true }]);
		const fields = ["00000001", "000081ed", "00000000", "00000000", "00000001", "00000000", "00000002"];
		const rest = ["00000000", "00000000", "00000000", "00000000", "00000005", "00000000"];
		expect(archive.toString("latin1", 0, 110)).toBe(`070701${[...fields, ...rest].join("")}`);
		expect(archive.toString("latin1", 110, 120)).toBe("init\0\0hi\0\0");
		expect(archive.length % 4).toBe(0);
	});

	it("gives the same bytes for the same entries", () => {
		expect(writeCpio(entries).equals(writeCpio(entries))).toBe(true);
	});

	it("ends with the trailer", () => {
		expect(writeCpio([]).includes("TRAILER!!!\0")).toBe(true);
	});

	it("refuses an absolute path", () => {
		expect(() => writeCpio([{ kind: "directory", path: "/bin" }])).toThrow("cpio path must be relative");
	});

	it.skipIf(spawnSync(busybox, ["true"]).status !== 0)("writes what busybox can read", () => {
		const listed = spawnSync(busybox, ["cpio", "-tv"], { input: writeCpio(entries) }).stdout.toString();
		expect(listed).toMatch(/^drwxr-xr-x .* bin$/m);
		expect(listed).toMatch(/^-rwxr-xr-x .* 5 .* bin\/tool$/m);
		expect(listed).toMatch(/^lrwxrwxrwx .* bin\/sh -> tool$/m);
		expect(listed).toMatch(/^-rw-r--r-- .* 0 .* empty$/m);
	});
});
