import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { extractVmlinux } from "../../guest-image/vmlinux.ts";

const elf = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46]), Buffer.alloc(200, 7)]);

/** A bzImage with one setup sector and `payload` 16 bytes into the protected-mode code. */
function bzImage(payload: Buffer): Buffer {
	const setup = Buffer.alloc(1024);
	setup.writeUInt8(1, 0x1f1);
	setup.write("HdrS", 0x202);
	setup.writeUInt16LE(0x20f, 0x206);
	setup.writeUInt32LE(16, 0x248);
	setup.writeUInt32LE(payload.length, 0x24c);
	return Buffer.concat([setup, Buffer.alloc(16), payload, Buffer.from("signature")]);
}

const size = Buffer.alloc(4);
size.writeUInt32LE(elf.length);
const noXz = async (): Promise<Buffer> => {
	throw new Error("xz is not for this");
};

describe("extracting vmlinux", () => {
	it("takes a gzip payload", async () => {
		expect(await extractVmlinux(bzImage(gzipSync(elf)), noXz)).toEqual(elf);
	});

	it("takes a zstd payload with its size behind it", async () => {
		expect(await extractVmlinux(bzImage(Buffer.concat([zstdCompressSync(elf), size])), noXz)).toEqual(elf);
	});

	it("takes an LZ4 payload with its size behind it", async () => {
		const block = Buffer.concat([Buffer.from([0xf0, elf.length - 15]), elf]);
		const length = Buffer.alloc(4);
		length.writeUInt32LE(block.length);
		const payload = Buffer.concat([Buffer.from([0x02, 0x21, 0x4c, 0x18]), length, block, size]);
		expect(await extractVmlinux(bzImage(payload), noXz)).toEqual(elf);
	});

	it("hands an xz payload without its size to the xz that it was given", async () => {
		const xz = Buffer.from("\xfd7zXZ\0 pretend", "latin1");
		const given: Buffer[] = [];
		const vmlinux = await extractVmlinux(bzImage(Buffer.concat([xz, size])), async (input) => {
			given.push(input);
			return elf;
		});
		expect(vmlinux).toEqual(elf);
		expect(given).toEqual([xz]);
	});

	it.each([
		["a file that is no kernel", Buffer.alloc(2000), /not a bzImage/],
		["a kernel that is cut off", bzImage(gzipSync(elf)).subarray(0, 1060), /cut off/],
		["an unknown compression", bzImage(Buffer.alloc(64, 1)), /unknown way.*01010101/],
		["a payload that is no ELF file", bzImage(gzipSync(Buffer.alloc(100))), /not an ELF/],
	])("refuses %s", async (_, image, message) => {
		await expect(extractVmlinux(image, noXz)).rejects.toThrow(message);
	});
});
