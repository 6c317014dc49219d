/** What crosvm takes a disk's image for: it goes by the first bytes and not by the name (disk/src/disk.rs, detect_image_type). */
import { closeSync, constants, openSync, readSync } from "node:fs";

/** "none": of a format that is neither. */
export type FoundFormat = "raw" | "qcow2" | "none";

const qcow2 = Buffer.from("QFI\xfb", "latin1");
const others = [
	Buffer.from("composite_disk"),
	/** Android's sparse images; zstd's frames. */
	Buffer.from(":\xff&\xed", "latin1"),
	Buffer.from("(\xb5/\xfd", "latin1"),
];

/** Throws what open(2) and read(2) fail with; waits for no writer of a FIFO. The shim does the same (check_image in vm-shim.sh). */
export function readFormat(path: string): FoundFormat {
	const bytes = Buffer.alloc(16);
	const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
	try {
		readSync(file, bytes, 0, bytes.length, 0);
	} finally {
		closeSync(file);
	}
	const begins = (magic: Buffer): boolean => bytes.subarray(0, magic.length).equals(magic);
	if (begins(qcow2)) return "qcow2";
	/** 0x184d2a50 to 5f: frames that zstd skips. */
	const isSkippable = (bytes.readUInt32LE(0) ^ 0x184d2a50) >>> 4 === 0;
	return isSkippable || others.some(begins) ? "none" : "raw";
}
