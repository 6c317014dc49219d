/** What of tar both ends use: ustar headers, and pax records for what does not fit into one (POSIX.1-2017, pax, "ustar Interchange Format"). */

export const blockBytes = 512;

/** Where a header has what: [offset, length]. */
export const fields = {
	name: [0, 100],
	mode: [100, 8],
	uid: [108, 8],
	gid: [116, 8],
	size: [124, 12],
	mtime: [136, 12],
	checksum: [148, 8],
	type: [156, 1],
	target: [157, 100],
	magic: [257, 8],
	prefix: [345, 155],
} as const satisfies Record<string, readonly [number, number]>;

export type Field = keyof typeof fields;

/** "ustar", NUL, version "00". */
export const magic = "ustar\x0000";

export const types = { file: "0", link: "2", directory: "5", pax: "x" } as const;

/** Eleven octal digits: 8 GiB - 1. */
export const plainSizeMax = 0o77777777777;

/** The sum of all bytes, those of the checksum itself counted as spaces. */
export function sumOf(header: Buffer): number {
	const [from, length] = fields.checksum;
	let sum = length * 0x20;
	for (let at = 0; at < blockBytes; at++) if (at < from || at >= from + length) sum += header[at] ?? 0;
	return sum;
}

/** Bytes from the end of `bytes` to the end of their last block. */
export const paddingOf = (bytes: number): number => (blockBytes - (bytes % blockBytes)) % blockBytes;
