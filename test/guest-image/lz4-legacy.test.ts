import { describe, expect, it } from "vitest";
import { decompressLz4Block, decompressLz4Legacy } from "../../guest-image/lz4-legacy.ts";

const bytes = (...values: number[]): Buffer => Buffer.from(values);

function frame(...blocks: Buffer[]): Buffer {
	const magic = bytes(0x02, 0x21, 0x4c, 0x18);
	return Buffer.concat([magic, ...blocks.flatMap((block) => [u32(block.length), block])]);
}

function u32(value: number): Buffer {
	const buffer = Buffer.alloc(4);
	buffer.writeUInt32LE(value);
	return buffer;
}

function decode(block: Buffer, room = 64): string {
	const output = Buffer.alloc(room);
	return output.toString("latin1", 0, decompressLz4Block(block, output));
}

/** "hello" as literals only. */
const hello = Buffer.concat([bytes(0x50), Buffer.from("hello")]);

describe("the LZ4 block decoder", () => {
	it("copies literals", () => {
		expect(decode(hello)).toBe("hello");
	});

	it("repeats an overlapping match", () => {
		// "ab", then 8 bytes from 2 back, then "!".
		expect(decode(bytes(0x24, 0x61, 0x62, 2, 0, 0x10, 0x21))).toBe("ababababab!");
	});

	it("reads lengths that go on in further bytes", () => {
		const literals = "x".repeat(15 + 255 + 3);
		expect(decode(Buffer.concat([bytes(0xf0, 255, 3), Buffer.from(literals)]), 512)).toBe(literals);
	});

	it.each([
		["literals that the input does not hold", bytes(0x50, 0x61)],
		["literals that the output has no room for", Buffer.concat([bytes(0xf0, 60), Buffer.alloc(75)])],
		["a match that starts before the output", bytes(0x14, 0x61, 2, 0, 0x00)],
		["a match at offset 0", bytes(0x14, 0x61, 0, 0, 0x00)],
		["a match that the output has no room for", bytes(0x1f, 0x61, 1, 0, 200, 0x00)],
		["a length that ends in the middle", bytes(0xf0, 255)],
	])("refuses %s", (_, block) => {
		expect(() => decode(block)).toThrow(/LZ4/);
	});
});

describe("the LZ4 legacy decoder", () => {
	it("joins the blocks of a frame, and of frames that follow each other", () => {
		expect(decompressLz4Legacy(Buffer.concat([frame(hello, hello), frame(hello)]), 64).toString()).toBe(
			"hellohellohello",
		);
	});

	it.each([
		["another format", Buffer.from("not lz4 at all"), /not an LZ4/],
		["a block that is cut off", frame(hello).subarray(0, -1), /longer than its frame/],
		["a length that is cut off", Buffer.concat([frame(hello), bytes(1, 2)]), /ends inside/],
		["more than it was told to expect", frame(hello, hello), /more than 8 bytes/],
	])("refuses %s", (_, input, message) => {
		expect(() => decompressLz4Legacy(input, 8)).toThrow(message);
	});
});
