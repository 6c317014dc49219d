import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	encodeFrame,
	encodeJsonFrame,
	type Frame,
	FrameDecoder,
	type FrameLimits,
	frameHeaderBytes,
} from "../../src/protocol/frame.ts";
import { framesOf } from "./frames-of.ts";

const limits: FrameLimits = new Map([
	[1, 0],
	[2, 8],
	[3, 100_000],
]);

const badRequest = (message: string) => expect.objectContaining({ code: "BadRequest", message });

const frames = fc.array(
	fc.oneof(
		fc.constant<Frame>({ type: 1, payload: Buffer.alloc(0) }),
		fc.uint8Array({ maxLength: 8 }).map((bytes): Frame => ({ type: 2, payload: Buffer.from(bytes) })),
		fc.uint8Array({ maxLength: 200 }).map((bytes): Frame => ({ type: 3, payload: Buffer.from(bytes) })),
	),
	{ maxLength: 12 },
);

const streamOf = (some: readonly Frame[]): Buffer =>
	Buffer.concat(some.map(({ type, payload }) => encodeFrame(type, payload)));

function chunksOf(stream: Buffer, sizes: readonly number[]): Buffer[] {
	const chunks: Buffer[] = [];
	let offset = 0;
	for (const size of [...sizes, stream.length]) {
		chunks.push(stream.subarray(offset, offset + size));
		offset += size;
	}
	return chunks;
}

function headerOf(type: number, length: number): Buffer {
	const header = Buffer.alloc(frameHeaderBytes);
	header.writeUInt8(type, 0);
	header.writeUInt32BE(length, 1);
	return header;
}

describe("frames", () => {
	test("are a type, a length and a payload", () => {
		expect(encodeFrame(0x11, Buffer.from("hi"))).toEqual(Buffer.from([0x11, 0, 0, 0, 2, 0x68, 0x69]));
		expect(encodeFrame(0x13)).toEqual(Buffer.from([0x13, 0, 0, 0, 0]));
		expect(encodeJsonFrame(0x21, { a: 1 }).subarray(frameHeaderBytes).toString()).toBe('{"a":1}');
	});

	test("come out as they went in, whatever the chunks", () => {
		fc.assert(
			fc.property(frames, fc.array(fc.nat({ max: 40 }), { maxLength: 80 }), (sent, sizes) => {
				const decoder = new FrameDecoder(limits);
				const received = framesOf(decoder, ...chunksOf(streamOf(sent), sizes));
				expect(received).toEqual(sent);
				expect(decoder.atBoundary).toBe(true);
			}),
		);
	});

	test("come out of a stream that arrives byte by byte, each as soon as it is whole", () => {
		fc.assert(
			fc.property(frames, (sent) => {
				const decoder = new FrameDecoder(limits);
				for (const frame of sent) {
					const bytes = encodeFrame(frame.type, frame.payload);
					for (const [index, byte] of bytes.entries()) {
						const isLast = index === bytes.length - 1;
						expect(framesOf(decoder, Buffer.from([byte]))).toEqual(isLast ? [frame] : []);
						expect(decoder.atBoundary).toBe(isLast);
					}
				}
			}),
			{ numRuns: 30 },
		);
	});

	test("of the largest size come out of many chunks", () => {
		const payload = Buffer.alloc(100_000, "x");
		const decoder = new FrameDecoder(limits);
		const stream = encodeFrame(3, payload);
		const received = framesOf(decoder, ...chunksOf(stream, Array(40).fill(4096)));
		expect(received).toEqual([{ type: 3, payload }]);
	});
});

describe("the boundary between frames", () => {
	test("is where a stream may end: not within a header, nor between header and payload, nor within a payload", () => {
		const decoder = new FrameDecoder(limits);
		expect(decoder.atBoundary).toBe(true);
		framesOf(decoder, Buffer.from([2, 0, 0]));
		expect(decoder.atBoundary).toBe(false);
		framesOf(decoder, Buffer.from([0, 2]));
		expect(decoder.atBoundary).toBe(false);
		framesOf(decoder, Buffer.from("h"));
		expect(decoder.atBoundary).toBe(false);
		expect(framesOf(decoder, Buffer.from("i"))).toHaveLength(1);
		expect(decoder.atBoundary).toBe(true);
	});

	test("is not moved by an empty chunk", () => {
		const decoder = new FrameDecoder(limits);
		expect(framesOf(decoder, Buffer.alloc(0))).toEqual([]);
		expect(decoder.atBoundary).toBe(true);
		framesOf(decoder, Buffer.from([2]));
		expect(framesOf(decoder, Buffer.alloc(0))).toEqual([]);
		expect(decoder.atBoundary).toBe(false);
	});
});

describe("frames of a streamed type", () => {
	const streamed = new Set([3]);

	test("give the same bytes in the same order, however the stream is cut, and others stay whole", () => {
		fc.assert(
			fc.property(frames, fc.array(fc.nat({ max: 40 })), (some, cuts) => {
				const decoder = new FrameDecoder(limits, streamed);
				const stream = streamOf(some);
				const decoded: Frame[] = [];
				let offset = 0;
				for (const cut of [...cuts, stream.length]) {
					decoded.push(...framesOf(decoder, stream.subarray(offset, offset + cut)));
					offset += cut;
				}
				expect(decoder.atBoundary).toBe(true);
				const toRuns = (list: readonly Frame[]): unknown[] => {
					const runs: { type: number; bytes: string }[] = [];
					for (const { type, payload } of list) {
						const last = runs.at(-1);
						const bytes = payload.toString("hex");
						if (type === 3 && last?.type === 3) last.bytes += bytes;
						else if (type !== 3 || bytes !== "") runs.push({ type, bytes });
					}
					return runs;
				};
				expect(toRuns(decoded)).toEqual(toRuns(some));
			}),
		);
	});

	test("are given as they come, without waiting for their end, and keep to their limit", () => {
		const decoder = new FrameDecoder(limits, streamed);
		const frame = encodeFrame(3, Buffer.from("typed"));
		expect(framesOf(decoder, frame.subarray(0, 7))).toEqual([{ type: 3, payload: Buffer.from("ty") }]);
		expect(decoder.atBoundary).toBe(false);
		expect(framesOf(decoder, frame.subarray(7))).toEqual([{ type: 3, payload: Buffer.from("ped") }]);
		const long = Buffer.from([3, 0, 1, 0x86, 0xa1]);
		expect(() => framesOf(decoder, long)).toThrow(
			badRequest("a frame of type 3 announces 100001 bytes; the limit is 100000"),
		);
	});
});

describe("a limit", () => {
	test("is checked with the header: 4 GiB are refused before a byte of them is held", () => {
		const decoder = new FrameDecoder(limits);
		expect(() => framesOf(decoder, headerOf(3, 0xffff_ffff))).toThrow(
			badRequest("a frame of type 3 announces 4294967295 bytes; the limit is 100000"),
		);
	});

	test("is checked when the last byte of the header comes alone, too", () => {
		const decoder = new FrameDecoder(limits);
		const header = headerOf(2, 9);
		framesOf(decoder, header.subarray(0, 4));
		expect(() => framesOf(decoder, header.subarray(4))).toThrow(
			badRequest("a frame of type 2 announces 9 bytes; the limit is 8"),
		);
	});

	test("lets through what just fits", () => {
		const decoder = new FrameDecoder(limits);
		expect(framesOf(decoder, encodeFrame(2, Buffer.alloc(8)))).toHaveLength(1);
		expect(() => framesOf(new FrameDecoder(limits), encodeFrame(2, Buffer.alloc(9)))).toThrow(/the limit is 8/);
		expect(() => framesOf(new FrameDecoder(limits), encodeFrame(1, Buffer.alloc(1)))).toThrow(/the limit is 0/);
	});

	test("that is broken takes nothing from the frames before it, in whatever chunk", () => {
		const decoder = new FrameDecoder(limits);
		const received: Frame[] = [];
		const stream = Buffer.concat([encodeFrame(2, Buffer.from("exit")), headerOf(2, 9)]);
		expect(() => decoder.push(stream, (frame) => received.push(frame))).toThrow(/the limit is 8/);
		expect(received).toEqual([{ type: 2, payload: Buffer.from("exit") }]);
	});

	test("also is that only listed types pass", () => {
		for (const type of [0, 4, 255]) {
			expect(() => framesOf(new FrameDecoder(limits), headerOf(type, 0))).toThrow(
				badRequest(`a frame of unknown type ${type} arrived`),
			);
		}
	});
});

test("arbitrary bytes give frames within their limits, or a BadRequest", () => {
	fc.assert(
		fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
			const decoder = new FrameDecoder(limits);
			try {
				for (const { type, payload } of framesOf(decoder, ...chunks.map((chunk) => Buffer.from(chunk)))) {
					expect(payload.length).toBeLessThanOrEqual(limits.get(type) ?? -1);
				}
			} catch (error) {
				expect(error).toMatchObject({ name: "QubesLiteError", code: "BadRequest" });
			}
		}),
	);
});
