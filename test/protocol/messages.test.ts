/** What holds for every message; the single ones' own rules are in control, session and broker tests, damaged ones in fuzz.test.ts. */
import { describe, expect, test } from "vitest";
import { QubesLiteError } from "../../src/errors.ts";
import { FrameDecoder, frameHeaderBytes } from "../../src/protocol/frame.ts";
import { framesOf } from "./frames-of.ts";
import { type Json, placesOf } from "./json-places.ts";
import { type Message, messages } from "./messages.ts";

const payloadOf = (json: Json): Buffer => Buffer.from(JSON.stringify(json));
const jsonOf = (frame: Buffer): Json => JSON.parse(frame.subarray(frameHeaderBytes).toString("utf8"));

/** A value, or a BadRequest; anything else is a bug that a peer could use. */
function tryParse(parse: Message["parse"], payload: Buffer): "parsed" | "refused" {
	try {
		parse(payload);
		return "parsed";
	} catch (error) {
		if (!(error instanceof QubesLiteError)) throw error;
		expect(error.code).toBe("BadRequest");
		return "refused";
	}
}

/** Values of other types than this one. Null is left out where a field may be null. */
function othersThan(value: Json): Json[] {
	const all: Json[] = [true, 1.5, -1, 1e300, "", {}, [], [null], { __proto__: null }, { length: 1, 0: 1 }];
	const kindOf = (some: Json): string => (Array.isArray(some) ? "list" : typeof some);
	return value === null ? [true, {}, []] : all.filter((other) => kindOf(other) !== kindOf(value));
}

describe.each(messages)("$name", ({ parse, samples, limits, type, optional = [] }) => {
	test("arrives as it was sent, within its limit, in a frame of its type", () => {
		for (const { frame, value } of samples) {
			expect(framesOf(new FrameDecoder(limits), frame)).toEqual([{ type, payload: frame.subarray(frameHeaderBytes) }]);
			expect(parse(frame.subarray(frameHeaderBytes))).toEqual(value);
		}
	});

	test("without one of its fields is refused", () => {
		for (const { frame } of samples.slice(0, 2)) {
			for (const place of placesOf(jsonOf(frame))) {
				if (optional.includes(place.path) || /\d+$/.test(place.path)) continue;
				expect(tryParse(parse, payloadOf(place.with(undefined))), place.path).toBe("refused");
			}
		}
	});

	test("with a value of another type in a field is refused", () => {
		for (const { frame } of samples.slice(0, 2)) {
			for (const place of [...placesOf(jsonOf(frame))].slice(0, 60)) {
				for (const other of othersThan(place.value)) {
					expect(tryParse(parse, payloadOf(place.with(other))), `${place.path} ${JSON.stringify(other)}`).toBe(
						"refused",
					);
				}
			}
		}
	});

	test("takes nothing from a __proto__, and leaves no trace of it", () => {
		for (const { frame, value } of samples.slice(0, 2)) {
			const json = frame.subarray(frameHeaderBytes).toString("utf8");
			expect(tryParse(parse, Buffer.from(`{"__proto__":${json}}`))).toBe("refused");
			const withMore = json.replace("{", '{"__proto__":{"polluted":true},"later":[1],');
			expect(parse(Buffer.from(withMore.replace(",}", "}")))).toEqual(value);
			expect("polluted" in {}).toBe(false);
		}
	});

	test("is refused, never half read, where it is cut", () => {
		const [{ frame } = { frame: Buffer.alloc(0) }] = samples;
		const payload = frame.subarray(frameHeaderBytes);
		for (let length = 0; length < payload.length; length++) {
			expect(tryParse(parse, payload.subarray(0, length))).toBe("refused");
		}
	});
});
