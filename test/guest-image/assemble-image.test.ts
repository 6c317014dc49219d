import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type AssembleOptions, assembleImage } from "../../guest-image/assemble-image.ts";

let directory: string;
const at = (name: string): string => join(directory, name);

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-assemble-"));
	mkdirSync(at("6.1.0/kernel"), { recursive: true });
	writeFileSync(at("6.1.0/modules.builtin"), "");
	for (const name of ["kernel", "busybox", "text"]) writeFileSync(at(name), "x".repeat(2048));
	const ext4 = Buffer.alloc(2048);
	ext4.writeUInt16LE(0xef53, 1080);
	writeFileSync(at("root.ext4"), ext4);
});
afterEach(() => rmSync(directory, { recursive: true }));

const assemble = (changes: Partial<AssembleOptions> = {}) =>
	assembleImage({
		...{ kernel: at("kernel"), modules: at("6.1.0"), busybox: at("busybox"), root: at("root.ext4"), qcow: false },
		...{ out: at("image"), signal: new AbortController().signal },
		...changes,
	});

it.each<[string, Partial<Record<keyof AssembleOptions, string>>, RegExp]>([
	["a kernel that is not there", { kernel: "nothing" }, /nothing can't be read \(ENOENT\)\.$/],
	["no directory of modules", { modules: "text" }, /text\/kernel can't be read \(ENOTDIR\)\.$/],
	["a root that is no file system", { root: "text" }, /text is no raw image of an erofs or ext4 file system\.$/],
	["a root that is shorter than any", { root: "6.1.0/modules.builtin" }, /is no raw image of an erofs or ext4/],
	["a kernel that lacks a module", {}, /The kernel has no module "virtio_pci", which a guest needs\.$/],
])("is refused, and leaves nothing: %s", async (_, names, message) => {
	const paths = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, at(name)]));
	await expect(assemble(paths)).rejects.toThrow(message);
	expect(existsSync(at("image"))).toBe(false);
});

it("a directory that is there already stays as it is", async () => {
	await expect(assemble({ out: at("6.1.0") })).rejects.toThrow(/6\.1\.0 is there already\.$/);
	expect(existsSync(at("6.1.0/kernel"))).toBe(true);
});
