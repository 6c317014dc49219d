import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readFormat } from "../../src/host/disk-formats.ts";
import { checkFiles } from "../../src/host/vm-files.ts";
import { createVm, toDisks } from "../vmm/facts.ts";

const directory = mkdtempSync(join(tmpdir(), "formats-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** The shim's own answer, by the same bytes (check_image in vm-shim.sh). */
const shim = new URL("../../src/activation/vm-shim.sh", import.meta.url).pathname;

const shells = ["dash", "busybox sh", "bash"];

function checkImage(shell: string, kind: string, path: string) {
	const functions = "/^say()/p; /^refuse() {/,/^}/p; /^check_image() {/,/^}/p";
	const text = execFileSync("sed", ["-n", functions, shim], { encoding: "utf8" });
	const [program = "", ...words] = [...shell.split(" "), "-c", `directory=${directory}\n${text}\ncheck_image "$@"`];
	return spawnSync(program, [...words, "sh", kind, path], { encoding: "utf8", timeout: 5_000, killSignal: "SIGKILL" });
}

const contents: [string, Buffer, "raw" | "qcow2" | "none"][] = [
	["nothing", Buffer.of(), "raw"],
	["zeros", Buffer.alloc(64), "raw"],
	["a boot sector", Buffer.from("eb3c904d53444f53352e3000", "hex"), "raw"],
	["a qcow2 header", Buffer.from("QFI\xfb\0\0\0\x03", "latin1"), "qcow2"],
	["half of one", Buffer.from("QFI"), "raw"],
	["one behind zeros", Buffer.from("\0\0\0\0QFI\xfb", "latin1"), "raw"],
	["a composite disk", Buffer.from("composite_disk\x1d\0\0"), "none"],
	["Android's sparse image", Buffer.from("3aff26ed01000000", "hex"), "none"],
	["zstd's frames", Buffer.from("28b52ffd04000000", "hex"), "none"],
	["frames that zstd skips", Buffer.from("5e2a4d1804000000", "hex"), "none"],
	["what is almost such", Buffer.from("602a4d1804000000", "hex"), "raw"],
];

describe.each(contents)("%s", (title, bytes, format) => {
	const path = join(directory, title.replaceAll(/\W/g, "-"));
	writeFileSync(path, bytes);

	it("is what crosvm would take it for", () => {
		expect(readFormat(path)).toBe(format);
	});

	it.each(shells)("is the same to the shim under %s", (shell) => {
		const takes = (kind: string): boolean => checkImage(shell, kind, path).status === 0;
		expect({ raw: takes("raw"), qcow2: takes("qcow2") }).toEqual({ raw: format === "raw", qcow2: format === "qcow2" });
	});
});

describe("a raw disk in which its guest has written a qcow2 header", () => {
	const path = join(directory, "home.img");
	writeFileSync(path, Buffer.from("QFI\xfb\0\0\0\x03", "latin1"));

	it("is refused for crosvm, which would open what that names", () => {
		expect(() => checkFiles(createVm({ hypervisor: "crosvm", disks: toDisks([path]) }))).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: `the disk ${path} is not raw, as its name says, and crosvm would believe its content`,
				remedy: expect.stringContaining(`od -A n -c -N 16 ${path}`),
			}),
		);
	});

	it("is no matter to QEMU, which is told", () => {
		expect(() => checkFiles(createVm({ disks: toDisks([path]) }))).not.toThrow();
	});
});

describe.each(["a FIFO", "a directory"])("%s in the place of a disk", (kind) => {
	const path = join(directory, `${kind.replace(" ", "-")}.img`);
	if (kind === "a FIFO") execFileSync("sh", ["-c", 'mkfifo "$1"', "sh", path]);
	else mkdirSync(path);
	const message = `the disk ${path} is neither a file nor a block device`;

	it("is refused for crosvm, and holds nobody up", () => {
		expect(() => checkFiles(createVm({ hypervisor: "crosvm", disks: toDisks([path]) }))).toThrow(
			expect.objectContaining({ code: "BootFailed", message, remedy: `ls -ld ${path}` }),
		);
	});

	it.each(shells)("is refused by the shim under %s as well", (shell) => {
		const { status, stderr } = checkImage(shell, "raw", path);
		expect({ status, stderr }).toEqual({ status: 1, stderr: `qubes-lite: ${message}. Try: ls -ld '${path}'\n` });
	});
});
