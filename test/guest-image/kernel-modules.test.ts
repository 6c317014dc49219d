import { describe, expect, it } from "vitest";
import { orderModules, parseModuleDependencies } from "../../guest-image/kernel-modules.ts";

/** A 64-bit ELF file with two sections: the section names, and `.modinfo` with these entries. */
function moduleWith(...modinfo: string[]): Buffer {
	const names = Buffer.from("\0.shstrtab\0.modinfo\0");
	const data = Buffer.from(modinfo.map((entry) => `${entry}\0`).join(""));
	const header = Buffer.alloc(64);
	header.writeUInt32BE(0x7f454c46);
	header.writeUInt8(2, 4);
	header.writeUInt8(1, 5);
	header.writeBigUInt64LE(BigInt(64 + names.length + data.length), 0x28);
	header.writeUInt16LE(64, 0x3a);
	header.writeUInt16LE(2, 0x3c);
	header.writeUInt16LE(0, 0x3e);
	const section = (nameAt: number, offset: number, size: number): Buffer => {
		const entry = Buffer.alloc(64);
		entry.writeUInt32LE(nameAt);
		entry.writeBigUInt64LE(BigInt(offset), 0x18);
		entry.writeBigUInt64LE(BigInt(size), 0x20);
		return entry;
	};
	return Buffer.concat([
		header,
		names,
		data,
		section(1, 64, names.length),
		section(11, 64 + names.length, data.length),
	]);
}

describe("a module's dependencies", () => {
	it("are read from its .modinfo section, with underscores", () => {
		const module = moduleWith("license=GPL", "depends=virtio,virtio-ring", "name=virtio_blk");
		expect(parseModuleDependencies(module)).toEqual(["virtio", "virtio_ring"]);
	});

	it("are none where the section names none", () => {
		expect(parseModuleDependencies(moduleWith("depends=", "license=GPL"))).toEqual([]);
		expect(parseModuleDependencies(moduleWith("license=GPL"))).toEqual([]);
	});

	it("are not guessed from a file that is no module", () => {
		expect(() => parseModuleDependencies(Buffer.from("depends=everything\0"))).toThrow("not a 64-bit ELF file");
	});
});

describe("the order of modules", () => {
	const dependencies: Record<string, string[] | undefined> = {
		erofs: ["libcrc32c"],
		ext4: undefined,
		libcrc32c: [],
		virtio: ["virtio_ring"],
		virtio_blk: ["virtio", "virtio_ring"],
		virtio_ring: [],
		left: ["right"],
		right: ["left"],
	};
	const dependenciesOf = async (name: string): Promise<string[] | undefined> => {
		if (!(name in dependencies)) throw new Error(`no module ${name}`);
		return dependencies[name];
	};

	it("puts each behind what it depends on, once", async () => {
		const order = await orderModules(["virtio_blk", "erofs", "virtio"], dependenciesOf);
		expect(order).toEqual(["virtio_ring", "virtio", "virtio_blk", "libcrc32c", "erofs"]);
	});

	it("leaves out what is built into the kernel", async () => {
		expect(await orderModules(["ext4", "libcrc32c"], dependenciesOf)).toEqual(["libcrc32c"]);
	});

	it("takes hyphens for underscores", async () => {
		expect(await orderModules(["virtio-ring"], dependenciesOf)).toEqual(["virtio_ring"]);
	});

	it("ends even where two depend on each other", async () => {
		expect(await orderModules(["left"], dependenciesOf)).toEqual(["right", "left"]);
	});

	it("fails for one that the kernel lacks", async () => {
		await expect(orderModules(["floppy"], dependenciesOf)).rejects.toThrow("no module floppy");
	});
});
