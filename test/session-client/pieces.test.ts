import fc from "fast-check";
import { expect, it } from "vitest";
import { Pieces } from "../../src/session-client/pieces.ts";

function takeAll(pieces: Pieces): Buffer[] {
	const taken: Buffer[] = [];
	for (let piece = pieces.take(); piece !== undefined; piece = pieces.take()) taken.push(piece);
	return taken;
}

it("gives the same bytes in the same order, whoever takes when", () => {
	const bytes = fc.oneof(
		fc.uint8Array({ maxLength: 20 }),
		fc.nat({ max: 9000 }).map((size) => new Uint8Array(size).fill(size)),
	);
	fc.assert(
		fc.property(fc.array(fc.option(bytes, { freq: 4 })), (steps) => {
			const pieces = new Pieces();
			const out: Buffer[] = [];
			for (const step of steps) {
				if (step !== null) pieces.add(Buffer.from(step));
				else out.push(pieces.take() ?? Buffer.alloc(0));
			}
			out.push(...takeAll(pieces));
			expect(Buffer.concat(out)).toEqual(Buffer.concat(steps.filter((step) => step !== null)));
		}),
	);
});

it("keeps a mebibyte that comes byte by byte in little more than that", () => {
	const pieces = new Pieces();
	for (let byte = 0; byte < 1024 * 1024; byte++) pieces.add(Buffer.of(byte & 0xff));
	const taken = takeAll(pieces);
	expect(taken).toHaveLength(16);
	expect(Buffer.concat(taken)).toHaveLength(1024 * 1024);
});
