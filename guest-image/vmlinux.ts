/**
 * The ELF kernel inside a bzImage. The PVH entry, which saves the guest the real-mode and decompression stages, needs
 * the ELF file; Debian ships only the bzImage.
 */
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { decompressLz4Legacy, lz4LegacyMagic } from "./lz4-legacy.ts";

/** Debian's is around 55 MB; anything far beyond is damage. */
const vmlinuxMaxBytes = 512 * 1024 * 1024;

/** Offsets in the setup header (Linux's Documentation/arch/x86/boot.rst). */
const header = {
	setupSectors: 0x1f1,
	magic: 0x202,
	version: 0x206,
	payloadOffset: 0x248,
	payloadLength: 0x24c,
} as const;
const headerMagic = 0x53726448; // "HdrS"
const payloadSinceVersion = 0x208;

/** Decompresses xz, which Node can't; throws when it fails. */
export type XzDecompress = (input: Buffer) => Promise<Buffer>;

/** The vmlinux in `bzImage`; throws an Error that says what is wrong with it. */
export async function extractVmlinux(bzImage: Buffer, decompressXz: XzDecompress): Promise<Buffer> {
	const vmlinux = await decompress(findPayload(bzImage), decompressXz);
	if (vmlinux.length < 64 || vmlinux.readUInt32BE(0) !== 0x7f454c46) {
		throw new Error("the kernel's payload is not an ELF file");
	}
	return vmlinux;
}

function findPayload(bzImage: Buffer): Buffer {
	if (bzImage.length < 0x260 || bzImage.readUInt32LE(header.magic) !== headerMagic) throw new Error("not a bzImage");
	if (bzImage.readUInt16LE(header.version) < payloadSinceVersion) throw new Error("a bzImage of before 2008");
	// 0 sectors means 4, for the sake of very old loaders; one more is the boot sector.
	const setupSectors = bzImage.readUInt8(header.setupSectors) || 4;
	const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(header.payloadOffset);
	const length = bzImage.readUInt32LE(header.payloadLength);
	if (length < 8 || start + length > bzImage.length) throw new Error("the kernel's payload is cut off");
	return bzImage.subarray(start, start + length);
}

async function decompress(payload: Buffer, decompressXz: XzDecompress): Promise<Buffer> {
	// The kernel's build appends the decompressed size as a u32; gzip has it as part of its own format.
	const withoutSize = payload.subarray(0, payload.length - 4);
	if (payload.readUInt32LE(0) === lz4LegacyMagic) return decompressLz4Legacy(withoutSize, vmlinuxMaxBytes);
	if (payload.readUInt16BE(0) === 0x1f8b) return gunzipSync(payload, { maxOutputLength: vmlinuxMaxBytes });
	if (payload.readUInt32LE(0) === 0xfd2fb528) {
		return zstdDecompressSync(withoutSize, { maxOutputLength: vmlinuxMaxBytes });
	}
	if (payload.readUInt32BE(0) === 0xfd377a58) return await decompressXz(withoutSize);
	throw new Error(`the kernel's payload is compressed in an unknown way (it starts ${payload.toString("hex", 0, 4)})`);
}
