import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, it } from "vitest";
import { pngMaxSide, remakePng } from "../../src/desktop/png.ts";
import { chunk, end, header, makePng, pixels, signature } from "./make-png.ts";

const room = 16 * 1024 * 1024;
const idat = chunk("IDAT", deflateSync(pixels(2, 3)));

it("keeps a picture's pixels, and nothing else of it", () => {
	const between = [
		chunk("tEXt", Buffer.from("Comment\0evil")),
		chunk("iCCP", Buffer.from("profile")),
		chunk("gAMA", Buffer.alloc(4)),
	];
	const made = remakePng(makePng(2, 3, between), room);
	expect(made?.png).toEqual(makePng(2, 3));
	expect(made?.pixelBytes).toBe(3 * (1 + 2 * 4));
	expect(remakePng(made?.png ?? Buffer.alloc(0), room)).toEqual(made);
});

it("keeps the palette of a picture that has one, with what of it is transparent", () => {
	const parts = [
		header(2, 1, 1, 3),
		chunk("PLTE", Buffer.from([1, 2, 3, 4, 5, 6])),
		chunk("tRNS", Buffer.from([0])),
		chunk("IDAT", deflateSync(Buffer.from([0, 0b01000000]))),
		end,
	];
	expect(remakePng(Buffer.concat([signature, ...parts]), room)?.png).toEqual(Buffer.concat([signature, ...parts]));
});

it.each<[string, Buffer]>([
	["what is no PNG", Buffer.from("<svg/>")],
	["nothing", Buffer.alloc(0)],
	["one that ends early", makePng().subarray(0, 50)],
	["one with something behind its end", Buffer.concat([makePng(), Buffer.from("x")])],
	["a wrong checksum", Buffer.from(makePng()).fill(1, 20, 21)],
	[
		"a chunk that is longer than the file",
		Buffer.concat([signature, Buffer.from("ffffffff49484452", "hex"), makePng()]),
	],
	[
		"a first chunk that is no header",
		Buffer.concat([signature, chunk("gAMA", Buffer.alloc(4)), header(2, 3), idat, end]),
	],
	["more pixels than 1024 a side", Buffer.concat([signature, header(pngMaxSide + 1, 1), idat, end])],
	["no pixels", Buffer.concat([signature, header(0, 3), idat, end])],
	["interlacing", Buffer.concat([signature, header(2, 3, 8, 6, 1), idat, end])],
	["a depth that its colours can't have", Buffer.concat([signature, header(2, 3, 4, 6), idat, end])],
	["a kind of colours that there is not", Buffer.concat([signature, header(2, 3, 8, 5), idat, end])],
	["fewer bytes than pixels", Buffer.concat([signature, header(2, 4), idat, end])],
	["more bytes than pixels", Buffer.concat([signature, header(2, 2), idat, end])],
	[
		"a filter that there is not",
		Buffer.concat([signature, header(2, 3), chunk("IDAT", deflateSync(pixels(2, 3).fill(9, 0, 1))), end]),
	],
	["no palette where its colours are of one", Buffer.concat([signature, header(2, 3, 8, 3), idat, end])],
	["a palette of half a colour", makePng(2, 3, [chunk("PLTE", Buffer.alloc(4))])],
	["two palettes", makePng(2, 3, [chunk("PLTE", Buffer.alloc(3)), chunk("PLTE", Buffer.alloc(3))])],
	["no picture", Buffer.concat([signature, header(2, 3), end])],
])("makes nothing of %s", (_, png) => {
	expect(remakePng(png, room)).toBeUndefined();
});

it("unpacks no more than the picture may have, whatever its stream holds", () => {
	const bomb = Buffer.concat([
		signature,
		header(2, 3),
		chunk("IDAT", deflateSync(Buffer.alloc(64 * 1024 * 1024))),
		end,
	]);
	const began = process.memoryUsage().arrayBuffers;
	expect(remakePng(bomb, room)).toBeUndefined();
	expect(process.memoryUsage().arrayBuffers - began).toBeLessThan(1024 * 1024);
	expect(remakePng(makePng(1024, 1024), 1024 * 1024)).toBeUndefined();
});

it("takes any bytes, also such that begin as a PNG", () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(60), (bytes, at) => {
			const png = Buffer.from(makePng());
			png.set(bytes.subarray(0, Math.max(0, png.length - at)), at);
			for (const input of [Buffer.from(bytes), png]) {
				const made = remakePng(input, room);
				if (made !== undefined) expect(remakePng(made.png, room)).toEqual(made);
			}
		}),
	);
});
