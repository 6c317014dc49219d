/**
 * Decoder for the "legacy" LZ4 frame, the format of Debian's compressed x86 kernels: a magic number, then blocks of
 * `u32 length, LZ4 block`, each of which holds at most 8 MiB when decompressed. Written here because neither Node nor a
 * freshly installed machine has one. Input is untrusted: every length is checked before it is used.
 */

export const lz4LegacyMagic = 0x184c2102;

/** What one block may hold when decompressed; part of the format. */
const blockMaxBytes = 8 * 1024 * 1024;

/** Decompresses `input`; throws an Error when it is damaged or holds more than `maxBytes`. */
export function decompressLz4Legacy(input: Buffer, maxBytes: number): Buffer {
	if (input.length < 4 || input.readUInt32LE(0) !== lz4LegacyMagic) throw new Error("not an LZ4 legacy frame");
	const blocks: Buffer[] = [];
	const scratch = Buffer.allocUnsafe(blockMaxBytes);
	let total = 0;
	for (let at = 4; at < input.length; ) {
		if (at + 4 > input.length) throw new Error("LZ4 frame ends inside a block length");
		const length = input.readUInt32LE(at);
		at += 4;
		// Frames may be concatenated: the magic is then where a length would be.
		if (length === lz4LegacyMagic) continue;
		if (length > input.length - at) throw new Error("LZ4 block is longer than its frame");
		const written = decompressLz4Block(input.subarray(at, at + length), scratch);
		total += written;
		if (total > maxBytes) throw new Error(`LZ4 frame holds more than ${maxBytes} bytes`);
		blocks.push(Buffer.from(scratch.subarray(0, written)));
		at += length;
	}
	return Buffer.concat(blocks, total);
}

/** Decompresses one raw LZ4 block into `output` and returns the number of bytes written. */
export function decompressLz4Block(input: Buffer, output: Buffer): number {
	let from = 0;
	let to = 0;

	const nextByte = (): number => {
		const byte = input[from];
		if (byte === undefined) throw new Error("LZ4 block ends early");
		from += 1;
		return byte;
	};
	/** A length's first four bits are in the token; 15 means that bytes follow, up to one that is not 255. */
	const readLength = (nibble: number): number => {
		let length = nibble;
		for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) byte = nextByte();
		return length;
	};

	while (from < input.length) {
		const token = nextByte();
		const literals = readLength(token >> 4);
		if (literals > input.length - from || literals > output.length - to) throw new Error("LZ4 literals overrun");
		input.copy(output, to, from, from + literals);
		from += literals;
		to += literals;
		// The last sequence has literals only.
		if (from === input.length) return to;

		const offset = nextByte() | (nextByte() << 8);
		if (offset === 0 || offset > to) throw new Error("LZ4 match starts before the output");
		const length = readLength(token & 15) + 4;
		if (length > output.length - to) throw new Error("LZ4 match overruns");
		copyMatch(output, to, offset, length);
		to += length;
	}
	return to;
}

/** A match may overlap what it writes (offset < length): it then repeats its first `offset` bytes. */
function copyMatch(output: Buffer, to: number, offset: number, length: number): void {
	if (offset >= length) {
		output.copyWithin(to, to - offset, to - offset + length);
		return;
	}
	for (let index = 0; index < length; index += 1) output[to + index] = output[to + index - offset] ?? 0;
}
