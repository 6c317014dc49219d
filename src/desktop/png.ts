/**
 * A picture from a guest, as a PNG of our own making: what the desktop's libraries get to read has nothing of the guest's but its pixels. All
 * that can be odd about a PNG (text, colour profiles, chunks that lie about their length, streams that unpack to gigabytes) is left behind.
 */
import { crc32, deflateSync, inflateSync } from "node:zlib";

/** The largest side of an icon, in pixels. */
export const pngMaxSide = 1024;

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Of each colour type (PNG specification, 11.2.2): samples of a pixel, and how many bits a sample may have. */
const colourTypes: Readonly<Record<number, { readonly samples: number; readonly depths: readonly number[] }>> = {
	0: { samples: 1, depths: [1, 2, 4, 8, 16] },
	2: { samples: 3, depths: [8, 16] },
	3: { samples: 1, depths: [1, 2, 4, 8] },
	4: { samples: 2, depths: [8, 16] },
	6: { samples: 4, depths: [8, 16] },
};

interface Chunk {
	readonly type: string;
	readonly data: Buffer;
}

interface Header {
	readonly height: number;
	readonly rowBytes: number;
	readonly colourType: number;
}

/** `png` made anew; undefined where it is none, is interlaced (few are), has more than `pixelBytesMax` bytes of pixels, or a longer side. */
export function remakePng(
	png: Buffer,
	pixelBytesMax: number,
	sideMax = pngMaxSide,
): { png: Buffer; pixelBytes: number } | undefined {
	const chunks = readChunks(png);
	const [first] = chunks ?? [];
	if (chunks === undefined || first?.type !== "IHDR") return undefined;
	const header = parseHeader(first.data, sideMax);
	if (header === undefined) return undefined;
	const palette = chunks.filter(({ type }) => type === "PLTE");
	const transparency = chunks.filter(({ type }) => type === "tRNS");
	if (!isPalette(palette, header) || !isTransparency(transparency, palette, header)) return undefined;
	const pixelBytes = header.height * (header.rowBytes + 1);
	if (pixelBytes > pixelBytesMax) return undefined;
	const pixels = unpack(
		Buffer.concat(chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data)),
		pixelBytes,
	);
	if (pixels === undefined || !hasFilters(pixels, header)) return undefined;
	const made = [
		first,
		...palette,
		...transparency,
		{ type: "IDAT", data: deflateSync(pixels) },
		{ type: "IEND", data: Buffer.alloc(0) },
	];
	return { png: Buffer.concat([signature, ...made.map(formatChunk)]), pixelBytes };
}

/** All chunks up to IEND, which ends the file; undefined where a length, a type or a checksum is wrong. */
function readChunks(png: Buffer): Chunk[] | undefined {
	if (!png.subarray(0, signature.length).equals(signature)) return undefined;
	const chunks: Chunk[] = [];
	for (let at = signature.length; at + 12 <= png.length; ) {
		const length = png.readUInt32BE(at);
		const end = at + 8 + length;
		if (end + 4 > png.length) return undefined;
		const type = png.toString("latin1", at + 4, at + 8);
		if (!/^[A-Za-z]{4}$/.test(type) || crc32(png.subarray(at + 4, end)) !== png.readUInt32BE(end)) return undefined;
		if (type === "IEND") return length === 0 && end + 4 === png.length ? chunks : undefined;
		chunks.push({ type, data: png.subarray(at + 8, end) });
		at = end + 4;
	}
	return undefined;
}

function parseHeader(data: Buffer, sideMax: number): Header | undefined {
	if (data.length !== 13) return undefined;
	const [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)];
	const [depth = 0, colourType = 0, ...methods] = data.subarray(8);
	const kind = colourTypes[colourType];
	const isSized = [width, height].every((side) => side >= 1 && side <= sideMax);
	if (!isSized || kind?.depths.includes(depth) !== true || methods.some((method) => method !== 0)) return undefined;
	return { height, rowBytes: Math.ceil((width * kind.samples * depth) / 8), colourType };
}

/** One with up to 256 colours where colours are of a palette; pictures with colours may have one besides. */
function isPalette(palette: readonly Chunk[], { colourType }: Header): boolean {
	const [only] = palette;
	if (only === undefined) return colourType !== 3;
	return (
		palette.length === 1 &&
		[2, 3, 6].includes(colourType) &&
		only.data.length % 3 === 0 &&
		only.data.length <= 768 &&
		only.data.length > 0
	);
}

function isTransparency(transparency: readonly Chunk[], [palette]: readonly Chunk[], { colourType }: Header): boolean {
	const [only] = transparency;
	if (only === undefined) return true;
	if (transparency.length > 1) return false;
	if (colourType === 3) return only.data.length > 0 && only.data.length <= (palette?.data.length ?? 0) / 3;
	return only.data.length === ({ 0: 2, 2: 6 } as Readonly<Record<number, number>>)[colourType];
}

/** Exactly `length` bytes, or undefined. */
function unpack(packed: Buffer, length: number): Buffer | undefined {
	try {
		const pixels = inflateSync(packed, { maxOutputLength: length });
		return pixels.length === length ? pixels : undefined;
	} catch {
		return undefined;
	}
}

/** Each row begins with the number of its filter. */
function hasFilters(pixels: Buffer, { height, rowBytes }: Header): boolean {
	for (let row = 0; row < height; row++) if ((pixels[row * (rowBytes + 1)] ?? 5) > 4) return false;
	return true;
}

function formatChunk({ type, data }: Chunk): Buffer {
	const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
	const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
	length.writeUInt32BE(data.length);
	sum.writeUInt32BE(crc32(body));
	return Buffer.concat([length, body, sum]);
}
