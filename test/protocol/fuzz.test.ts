/**
 * Bytes that nobody would send by mistake: damaged messages, any JSON, noise, and what has broken a parser before
 * (corpus/: what a run finds is added there). Each parser gives a value or says no, soon, and within bounds.
 * `npm run soak` looks longer.
 */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QubesLiteError } from "../../src/errors.ts";
import { fromBrokerLimits, toBrokerLimits } from "../../src/protocol/broker.ts";
import { fromAgentLimits, toAgentLimits } from "../../src/protocol/control.ts";
import { encodeFrame, FrameDecoder, type FrameLimits } from "../../src/protocol/frame.ts";
import { fromClientLimits, streamedFromClient, toClientLimits } from "../../src/protocol/session.ts";
import { rounds } from "../rounds.ts";
import type { LargestInputs } from "./fuzz-worker.ts";
import { type Json, placesOf } from "./json-places.ts";
import { type Parser, parsers } from "./parsers.ts";

const numRuns = rounds(300, 20_000);
/** A hang bound: it takes microseconds. */
const withinMs = 1_000;

const readCorpus = (name: string): { what: string; text: string; hex: string }[] =>
	JSON.parse(readFileSync(new URL(`corpus/${name}.json`, import.meta.url), "utf8"));

/** A value that is the same after another trip, or a refusal; anything else is a bug that a peer could use. */
function check({ parse, encode }: Parser, bytes: Buffer): void {
	const beganAt = performance.now();
	let value: unknown;
	try {
		value = parse(bytes);
	} catch (error) {
		if (!(error instanceof QubesLiteError)) throw error;
		expect(["BadRequest", "Unsupported"]).toContain(error.code);
		return;
	} finally {
		expect(performance.now() - beganAt).toBeLessThan(withinMs);
	}
	const again = encode(value);
	expect(encode(parse(again))).toEqual(again);
}

const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const anyJson = fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text));
const damage = fc.record({
	at: fc.nat(),
	added: fc.oneof(
		fc.uint8Array({ maxLength: 4 }),
		fc.constantFrom(
			...['"', "{", "}", "[", "]", ",", ":", "\\u", "-", "1e9", "null", "\0"].map((text) => Buffer.from(text)),
		),
	),
	removed: fc.nat({ max: 4 }),
});

function damaged(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
	return fc
		.record({
			sample: fc.constantFrom(...samples),
			damages: fc.array(damage, { minLength: 1, maxLength: 4 }),
			cutAt: fc.option(fc.nat(), { freq: 4 }),
		})
		.map(({ sample, damages, cutAt }) => {
			let bytes = sample;
			for (const { at, added, removed } of damages) {
				const from = at % (bytes.length + 1);
				bytes = Buffer.concat([bytes.subarray(0, from), added, bytes.subarray(from + removed)]);
			}
			return cutAt === null ? bytes : bytes.subarray(0, cutAt % (bytes.length + 1));
		});
}

const hostileValues: Json[] = [
	...[2 ** 53, -(2 ** 53), 1e308, 0, -1, 65_536, "\ud800", "\0", "x".repeat(70_000), Array(2_000).fill(1)],
	...[{ toString: 1, valueOf: 1 }, [{ toString: 1, valueOf: 1 }], { toJSON: 1 }, { constructor: { prototype: {} } }],
];

/** A message that is right but for the value of one field. */
function wrongInOnePlace(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
	const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(...hostileValues));
	return fc.record({ sample: fc.constantFrom(...samples), at: fc.nat(), value }).map(({ sample, at, value }) => {
		const json: Json = JSON.parse(sample.toString());
		const places = [...placesOf(json)];
		return Buffer.from(JSON.stringify(places[at % places.length]?.with(value as Json) ?? json));
	});
}

describe.each(parsers)("$name", (parser) => {
	const { samples, isJson } = parser;

	test("a sample survives another trip", () => {
		for (const sample of samples) expect(parser.encode(parser.parse(sample))).toEqual(sample);
	});

	test("made of anything, or damaged, gives a value that survives another trip, or a refusal", () => {
		const inputs = [noise, anyJson, damaged(samples), ...(isJson ? [wrongInOnePlace(samples)] : [])];
		fc.assert(
			fc.property(fc.oneof(...inputs), (bytes) => check(parser, bytes)),
			{ numRuns },
		);
	});

	test("made of what the corpus holds gives a value that survives another trip, or a refusal", () => {
		const texts = readCorpus("messages").map(({ what, text }) => ({ what, bytes: Buffer.from(text) }));
		const others = [...readCorpus("exec"), ...readCorpus("frames")];
		for (const { what, bytes } of [
			...texts,
			...others.map(({ what, hex }) => ({ what, bytes: Buffer.from(hex, "hex") })),
		]) {
			expect(() => check(parser, bytes), what).not.toThrow();
		}
	});
});

test("the corpus of exec bytes still has what is right, so that it looks behind the header", () => {
	const parse = parsers.find(({ name }) => name === "exec bytes")?.parse;
	const whole = readCorpus("exec").filter(({ hex }) => {
		try {
			return parse?.(Buffer.from(hex, "hex")) !== undefined;
		} catch {
			return false;
		}
	});
	expect(whole.map(({ what }) => what)).toContain("a whole command");
	expect(whole.length).toBeGreaterThan(5);
});

test("the largest messages of the worst shapes are read or refused soon, in little memory", async () => {
	const worker = new Worker(new URL("fuzz-worker.ts", import.meta.url), {
		/** Exec bytes of 4 MiB that are nothing but variables become ten times as much. */
		resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32 },
	});
	const result = await new Promise<LargestInputs>((resolve, reject) => {
		worker.once("message", resolve);
		worker.once("error", reject);
	});
	await worker.terminate();
	expect(result.strange).toEqual([]);
	expect(result.inputs).toBeGreaterThan(parsers.length * 10);
	expect(result.slowestMs).toBeLessThan(withinMs * 5);
}, 60_000);

const directions: readonly { who: string; limits: FrameLimits; streamed: ReadonlySet<number> }[] = [
	{ who: "a client, by the agent", limits: fromClientLimits, streamed: streamedFromClient },
	{ who: "the agent, by a client", limits: toClientLimits, streamed: new Set() },
	{ who: "the agent, by the broker", limits: fromAgentLimits, streamed: new Set() },
	{ who: "the broker, by the agent", limits: toAgentLimits, streamed: new Set() },
	{ who: "a client, by the broker", limits: toBrokerLimits, streamed: new Set() },
	{ who: "the broker, by a client", limits: fromBrokerLimits, streamed: new Set() },
];

interface Decoded {
	/** Frames of a streamed type that follow each other are one: where they are cut means nothing. */
	readonly frames: { readonly type: number; bytes: Buffer }[];
	readonly refusal: string | null;
	readonly atBoundary: boolean;
}

function decode(chunks: readonly Buffer[], { limits, streamed }: (typeof directions)[number]): Decoded {
	const decoder = new FrameDecoder(limits, streamed);
	const frames: Decoded["frames"] = [];
	try {
		for (const chunk of chunks) {
			decoder.push(chunk, ({ type, payload }) => {
				expect(payload.length).toBeLessThanOrEqual(limits.get(type) ?? -1);
				const last = frames.at(-1);
				if (streamed.has(type) && last?.type === type) last.bytes = Buffer.concat([last.bytes, payload]);
				else if (!streamed.has(type) || payload.length > 0) frames.push({ type, bytes: payload });
			});
		}
	} catch (error) {
		if (!(error instanceof QubesLiteError)) throw error;
		expect(error.code).toBe("BadRequest");
		return { frames, refusal: error.message, atBoundary: false };
	}
	return { frames, refusal: null, atBoundary: decoder.atBoundary };
}

function cut(stream: Buffer, sizes: readonly number[]): Buffer[] {
	const chunks: Buffer[] = [];
	let offset = 0;
	for (const size of [...sizes, stream.length]) {
		chunks.push(stream.subarray(offset, offset + size));
		offset += size;
	}
	return chunks;
}

describe.each(directions)("the bytes of $who", (direction) => {
	const { limits } = direction;
	const frame = fc
		.record({ type: fc.constantFrom(...limits.keys()), bytes: fc.uint8Array({ maxLength: 60 }), isLong: fc.boolean() })
		.map(({ type, bytes, isLong }) => {
			const limit = Math.min(limits.get(type) ?? 0, 3_000);
			return encodeFrame(type, isLong ? Buffer.alloc(limit, 7) : bytes.subarray(0, limit));
		});
	const stream = fc.array(frame, { maxLength: 10 }).map((frames) => Buffer.concat(frames));
	const sizes = fc.array(fc.oneof(fc.nat({ max: 9 }), fc.nat({ max: 2_000 })), { maxLength: 60 });

	test("are the same frames, whether they come in one piece or in many", () => {
		fc.assert(
			fc.property(stream, sizes, (bytes, some) => {
				const whole = decode([bytes], direction);
				expect(whole).toMatchObject({ refusal: null, atBoundary: true });
				expect(decode(cut(bytes, some), direction)).toEqual(whole);
			}),
			{ numRuns },
		);
	});

	test("are refused for the same reason, whether they come in one piece or in many", () => {
		fc.assert(
			fc.property(stream, sizes, damaged([Buffer.alloc(0)]), fc.nat(), (bytes, some, wrong, where) => {
				const at = where % (bytes.length + 1);
				const damagedStream = Buffer.concat([bytes.subarray(0, at), wrong, bytes.subarray(at)]);
				const whole = decode([damagedStream], direction);
				const pieces = decode(cut(damagedStream, some), direction);
				expect(pieces.refusal).toBe(whole.refusal);
				/** What comes in the same piece as the fault is not given out. */
				if (whole.refusal === null) expect(pieces).toEqual(whole);
			}),
			{ numRuns },
		);
	});

	test("that are no frames are refused, whatever they are", () => {
		for (const { hex } of readCorpus("frames")) {
			const bytes = Buffer.from(hex, "hex");
			expect(decode(cut(bytes, Array(bytes.length).fill(1)), direction).refusal).toBe(
				decode([bytes], direction).refusal,
			);
		}
		fc.assert(
			fc.property(fc.array(noise, { maxLength: 8 }), (chunks) => {
				decode(chunks, direction);
			}),
			{ numRuns },
		);
	});
});
