/** PNGs for tests, right and wrong. */
import { crc32, deflateSync } from "node:zlib";

export function chunk(type: string, data: Buffer): Buffer {
	const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
	const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
	length.writeUInt32BE(data.length);
	sum.writeUInt32BE(crc32(body));
	return Buffer.concat([length, body, sum]);
}

export const signature = Buffer.from("89504e470d0a1a0a", "hex");

export function header(width: number, height: number, depth = 8, colourType = 6, interlace = 0): Buffer {
	const data = Buffer.alloc(13);
	data.writeUInt32BE(width, 0);
	data.writeUInt32BE(height, 4);
	data.set([depth, colourType, 0, 0, interlace], 8);
	return chunk("IHDR", data);
}

export const pixels = (width: number, height: number, value = 0x55): Buffer =>
	Buffer.concat(Array.from({ length: height }, () => Buffer.concat([Buffer.of(0), Buffer.alloc(4 * width, value)])));

export const end = chunk("IEND", Buffer.alloc(0));

/** `between`: chunks before the pixels. */
export const makePng = (width = 2, height = 3, between: readonly Buffer[] = []): Buffer =>
	Buffer.concat([signature, header(width, height), ...between, chunk("IDAT", deflateSync(pixels(width, height))), end]);
