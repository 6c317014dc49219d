import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { checkFiles } from "../../src/host/vm-files.ts";
import { createVm, toDisks } from "../vmm/facts.ts";

const directory = mkdtempSync(join(tmpdir(), "disks-"));
const there = join(directory, "there.img");
writeFileSync(there, "");

afterAll(() => rmSync(directory, { recursive: true }));

function problemWith(...paths: string[]): unknown {
	try {
		return checkFiles(createVm({ disks: toDisks(paths) }));
	} catch (cause) {
		return cause;
	}
}

it("a disk that is there is no problem", () => {
	expect(problemWith(there)).toBeUndefined();
});

it.each([
	[join(directory, "none.img"), `truncate -s 4G ${join(directory, "none.img")} `],
	[join(directory, "none.qcow2"), `qemu-img create -f qcow2 ${join(directory, "none.qcow2")} 4G `],
	["/dev/no-such-disk", "lsblk --paths"],
	[join(there, "below-a-file"), "truncate "],
])("a disk that is missing is named with what makes it: %s", (path, remedy) => {
	expect(problemWith(there, path)).toMatchObject({
		code: "BootFailed",
		message: `the disk ${path} is not there`,
		remedy: expect.stringContaining(remedy),
	});
});

function problemSharing(path: string, readOnly = false): unknown {
	try {
		return checkFiles(createVm({ sharedDirectories: [{ tag: "docs", path, readOnly }] }));
	} catch (cause) {
		return cause;
	}
}

it("a directory that is there is no problem", () => {
	expect(problemSharing(directory)).toBeUndefined();
	expect(problemSharing(directory, true)).toBeUndefined();
});

it.each([
	[join(directory, "none"), "is not there", `mkdir -p ${join(directory, "none")}`],
	[join(there, "below-a-file"), "is not there", `mkdir -p ${join(there, "below-a-file")}`],
	[there, "is no directory", `ls -ld ${there}`],
])("a shared directory that is none is named with what helps: %s", (path, what, remedy) => {
	expect(problemSharing(path)).toMatchObject({
		code: "BootFailed",
		message: `the shared directory ${path} ${what}`,
		remedy,
	});
});
