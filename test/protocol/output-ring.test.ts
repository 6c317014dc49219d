import fc from "fast-check";
import { expect, it } from "vitest";
import { OutputRing } from "../../src/protocol/output-ring.ts";

it("keeps the last bytes of whatever was appended, and counts the rest", () => {
	fc.assert(
		fc.property(
			fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 30 }),
			fc.integer({ min: 4096, max: 9000 }),
			(chunks, most) => {
				const ring = new OutputRing(most);
				for (const chunk of chunks) ring.append(chunk);
				const all = Buffer.concat(chunks);
				expect(ring.contents()).toEqual(all.subarray(Math.max(0, all.length - most)));
				expect(ring.dropped).toBe(Math.max(0, all.length - most));
			},
		),
	);
});

it("takes a chunk that is larger than itself", () => {
	const ring = new OutputRing(4096);
	ring.append(Buffer.alloc(10_000, "a"));
	ring.append(Buffer.from("b"));
	expect(ring.contents().toString()).toBe(`${"a".repeat(4095)}b`);
	expect(ring.dropped).toBe(5905);
});
