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
