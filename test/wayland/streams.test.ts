/**
 * Bytes in any pieces, and bytes that nobody would send by mistake: sessions that are cut, damaged, or nothing but noise. What a guest
 * sends is passed on or is its fault, and so is what the host sends (corpus.json: what has once been neither).
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GuestFault, HostFault } from "../../src/wayland/faults.ts";
import { rounds } from "../rounds.ts";
import { record, stepNames } from "./sessions.ts";
import { newDisplay, type Sent, TestProgram } from "./test-program.ts";
import { readWire, type WireMessage, wire, wireTypes, words } from "./wire.ts";

const numRuns = rounds(150, 10_000);

const session = fc.array(fc.constantFrom(...stepNames), { maxLength: 8 });
const sizes = fc.array(fc.oneof(fc.nat({ max: 9 }), fc.nat({ max: 3_000 })), { minLength: 1, maxLength: 40 });

function cut(bytes: Buffer, some: readonly number[]): Buffer[] {
	const pieces: Buffer[] = [];
	let offset = 0;
	for (let index = 0; offset < bytes.length; index++) {
		const size = Math.max(1, some[index % some.length] ?? 1);
		pieces.push(bytes.subarray(offset, offset + size));
		offset += size;
	}
	return pieces;
}

/** What comes out at either end. */
function replay(sent: readonly Sent[]): { toHost: WireMessage[]; toGuest: WireMessage[] } {
	const program = new TestProgram(newDisplay());
	for (const { isGuest, bytes } of sent) isGuest ? program.send(bytes) : program.hostSends(bytes);
	const { toHost, toGuest } = program.bytes();
	return { toHost: readWire(toHost), toGuest: readWire(toGuest) };
}

test("What comes out is the same, whether it came in whole or in pieces.", () => {
	fc.assert(
		fc.property(session, sizes, (names, some) => {
			const sent = record(names);
			const pieces = sent.flatMap(({ isGuest, bytes }) => cut(bytes, some).map((piece) => ({ isGuest, bytes: piece })));
			expect(replay(pieces)).toEqual(replay(sent));
		}),
		{ numRuns },
	);
});

test("Each byte of a session may come alone.", () => {
	const sent = record(stepNames);
	const pieces = sent.flatMap(({ isGuest, bytes }) => cut(bytes, [1]).map((piece) => ({ isGuest, bytes: piece })));
	expect(replay(pieces)).toEqual(replay(sent));
});

const damage = fc.record({
	at: fc.nat(),
	added: fc.oneof(
		fc.uint8Array({ maxLength: 8 }),
		fc.constantFrom(words(0), words(0xffffffff), words(0xff000000), words(1), words(8 * 32), wire("ack", words(1))),
	),
	removed: fc.nat({ max: 8 }),
});

const reached = new Map<string, number>();

/** Whatever it is, it passes or is its sender's fault; and what has come out by then is right. */
function judge(sent: readonly Sent[], greeting?: Buffer): void {
	let program: TestProgram | undefined;
	let isGuest = true;
	try {
		program = new TestProgram(newDisplay(), greeting);
		for (const { isGuest: isNext, bytes } of sent) {
			isGuest = isNext;
			if (isGuest) program.send(bytes);
			else program.hostSends(bytes);
		}
	} catch (error) {
		expect(error).toBeInstanceOf(isGuest ? GuestFault : HostFault);
		const { message } = error as Error;
		expect(message).toMatch(/^[a-z].*[^.]$/);
		reached.set(message.replace(/\d+/g, "N"), 1);
	}
	const { toHost = Buffer.alloc(0), toGuest = Buffer.alloc(0) } = program?.bytes() ?? {};
	for (const stream of [toHost, toGuest]) checkWire(stream);
}

/** Whole messages that a display may have, but for the last one, of which the rest may not have come. */
function checkWire(stream: Buffer): void {
	let offset = 0;
	while (offset < stream.length) {
		const word = stream.readUInt32LE(offset);
		expect(["openDmabuf", "openVideoSource", "openVideoTarget", "videoPacket", "restart", undefined]).not.toContain(
			wireTypes[word % 32],
		);
		const size = Math.ceil(Math.floor(word / 32) / 4) * 4;
		expect(size).toBeGreaterThan(0);
		offset += size;
	}
}

test("A damaged session is passed on, or is the fault of who sent it.", () => {
	fc.assert(
		fc.property(
			session,
			fc.array(damage, { minLength: 1, maxLength: 3 }),
			fc.boolean(),
			fc.nat(),
			(names, damages, ofGuest, which) => {
				const sent = record(names);
				const mine = sent.filter(({ isGuest }) => isGuest === ofGuest);
				const target = mine[which % mine.length];
				const damaged = sent.map((one) => {
					if (one !== target) return one;
					let { bytes } = one;
					for (const { at, added, removed } of damages) {
						const from = at % (bytes.length + 1);
						bytes = Buffer.concat([bytes.subarray(0, from), added, bytes.subarray(from + removed)]);
					}
					return { ...one, bytes };
				});
				// A damaged event may make the guest's answer to it wrong; who is at fault then is not the question here.
				judge(ofGuest ? damaged : damaged.slice(0, sent.indexOf(target ?? one) + 1));
			},
		),
		{ numRuns },
	);
	expect(reached.size).toBeGreaterThan(8);
});

const one: Sent = { isGuest: true, bytes: Buffer.alloc(0) };

test("Noise is the fault of who makes it.", () => {
	const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
	const messages = fc
		.array(fc.tuple(fc.nat({ max: 31 }), fc.uint8Array({ maxLength: 40 })), { maxLength: 6 })
		.map((parts) => Buffer.concat(parts.map(([type, bytes]) => wire(type, bytes))));
	fc.assert(
		fc.property(fc.oneof(noise, messages), fc.boolean(), fc.boolean(), (bytes, isGuest, isGreeting) => {
			judge([{ isGuest, bytes }], isGreeting ? bytes : undefined);
		}),
		{ numRuns: numRuns * 4 },
	);
});

test("Of small requests there may be as many as fit into a message.", () => {
	const program = new TestProgram(newDisplay());
	const bound = program.bindAll();
	const { toplevel } = program.window(bound);
	program.host();
	const unset = program.encode(toplevel, "xdg_toplevel.unset_fullscreen");
	program.send(wire("protocol", Buffer.alloc(2 ** 20, unset)));
	expect(program.host()).toHaveLength(2 ** 17);
});

test("What has once broken something breaks nothing.", () => {
	const corpus: { what: string; isGuest: boolean; hex: string }[] = JSON.parse(
		readFileSync(new URL("corpus.json", import.meta.url), "utf8"),
	);
	for (const { what, isGuest, hex } of corpus)
		expect(() => judge([{ isGuest, bytes: Buffer.from(hex, "hex") }]), what).not.toThrow();
	expect(corpus.length).toBeGreaterThan(5);
});
