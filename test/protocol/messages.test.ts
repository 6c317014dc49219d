/** What holds for every message; the single ones' own rules are in control, session and broker tests. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QubesLiteError } from "../../src/errors.ts";
import { FrameDecoder, frameHeaderBytes } from "../../src/protocol/frame.ts";
import { type Message, messages } from "./messages.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

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

interface Place {
	readonly path: string;
	readonly value: Json;
	with(replacement: Json | undefined): Json;
}

/** Every field of a message, those of nested objects too, and how the message looks with another value there. */
function* placesOf(json: Json, path = ""): Generator<Place> {
	if (typeof json !== "object" || json === null) return;
	for (const [key, value] of Object.entries(json)) {
		const here = path === "" ? key : `${path}.${key}`;
		const replace = (replacement: Json | undefined): Json => {
			if (Array.isArray(json)) return json.map((item, index) => (String(index) === key ? (replacement ?? null) : item));
			const { [key]: _old, ...rest } = json;
			return replacement === undefined ? rest : { ...rest, [key]: replacement };
		};
		yield { path: here, value, with: replace };
		for (const place of placesOf(value, here)) {
			yield { ...place, with: (replacement) => replace(place.with(replacement)) };
		}
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
			expect(new FrameDecoder(limits).push(frame)).toEqual([{ type, payload: frame.subarray(frameHeaderBytes) }]);
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

	test("made of anything at all is a value or a BadRequest", () => {
		const noise = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
		const json = fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text));
		const nearly = fc
			.record({
				sample: fc.constantFrom(...samples.slice(0, 2)),
				at: fc.nat(),
				value: fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(...hostileValues)),
			})
			.map(({ sample, at, value }) => {
				const json = jsonOf(sample.frame);
				const places = [...placesOf(json)];
				return payloadOf(places[at % places.length]?.with(value as Json) ?? json);
			});
		fc.assert(
			fc.property(fc.oneof(noise, json, nearly), (payload) => {
				tryParse(parse, payload);
			}),
			{ numRuns: 150 },
		);
	});

	test.each(corpus())("made of $what is a value or a BadRequest", ({ text }) => {
		tryParse(parse, Buffer.from(text));
	});
});

/** What once broke a parser somewhere, or nearly did. */
function corpus(): { what: string; text: string }[] {
	return JSON.parse(readFileSync(new URL("corpus/messages.json", import.meta.url), "utf8"));
}

const hostileValues: Json[] = [
	2 ** 53,
	-(2 ** 53),
	1e308,
	"\ud800",
	"\0",
	"x".repeat(70_000),
	Array(2_000).fill(1),
	{ toString: 1, valueOf: 1 },
	[{ toString: 1, valueOf: 1 }],
	{ toJSON: 1 },
	{ constructor: { prototype: {} } },
];
