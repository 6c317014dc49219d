/** Bytes in any pieces, and bytes that nobody would send by mistake (corpus/: what a run finds is added there). */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { QubesLiteError } from "../../src/errors.ts";
import { command, invalidIndex } from "../../src/sound/commands.ts";
import { rules } from "../../src/sound/requests.ts";
import { TagWriter } from "../../src/sound/tag-writer.ts";
import { rounds } from "../rounds.ts";
import * as said from "./conversation.ts";

const numRuns = rounds(200, 20_000);
const corpus: { what: string; hex: string }[] = JSON.parse(
	readFileSync(new URL("corpus/guest.json", import.meta.url), "utf8"),
);

type Side = "guest" | "host";
type Step = readonly [Side, Buffer];

const step = (side: Side, packet: TagWriter | Buffer): Step => [
	side,
	packet instanceof TagWriter ? packet.packet() : packet,
];

/** Plays and records; own tags are counted from f0000001 on. */
const script: readonly Step[] = [
	step("guest", said.greeting(0xc000_0023)),
	step("host", new TagWriter(command.reply, 0).u32(0xc000_0023)),
	step("guest", new TagWriter(command.setClientName, 1).properties(said.properties({ "application.name": "x" }))),
	step("guest", new TagWriter(command.getSinkInfoList, 2)),
	step("guest", new TagWriter(51, 3).string("module-pipe-sink").string("")),
	step("host", new TagWriter(command.reply, 1).u32(5)),
	step("host", said.device(new TagWriter(command.reply, 2), 0, "speaker", 1)),
	step("guest", said.playRequest(4)),
	step("host", said.playReply(4, 0, 20)),
	step("guest", said.block(0, Buffer.from("samples".repeat(20)), 1)),
	step("host", said.event(command.request, 0, 4096)),
	step("guest", said.recordRequest(5)),
	step("host", said.device(new TagWriter(command.reply, 0xf000_0001), 4, "mic", invalidIndex)),
	step("host", said.recordReply(5, 3, 30, 4)),
	step("host", said.block(3, Buffer.from("recorded".repeat(20)))),
	step("host", said.block(9, Buffer.from("another's".repeat(20)))),
	step("guest", new TagWriter(command.setSinkInputVolume, 6).u32(20).volumes([1, 2])),
	step("host", new TagWriter(command.reply, 6)),
	step("host", said.event(command.playbackStreamKilled, 0)),
	step("guest", said.block(0, Buffer.from("too late"))),
	step("guest", new TagWriter(command.getServerInfo, 7)),
	step("guest", said.block(7, Buffer.from("nobody's"))),
];

/** What the host may hear, whatever is damaged. */
const allowed: readonly number[] = [...rules.keys()];

/** What comes out at both ends, and the sentence that ends it. */
function play(steps: readonly Step[], cut: (bytes: Buffer) => readonly Buffer[]) {
	const talk = new said.Conversation({ capture: true });
	let fault: string | undefined;
	try {
		for (const [side, bytes] of steps) for (const piece of cut(bytes)) talk[side](piece);
	} catch (error) {
		if (!(error instanceof QubesLiteError)) throw error;
		fault = error.message;
	}
	return { toHost: talk.heardByHost().toString("hex"), toGuest: talk.heardByGuest().toString("hex"), fault };
}

const whole = play(script, (bytes) => [bytes]);

function cutAt(bytes: Buffer, lengths: readonly number[]): Buffer[] {
	const pieces: Buffer[] = [];
	for (let at = 0, turn = 0; at < bytes.length; turn++) {
		const length = lengths[turn % lengths.length] ?? 1;
		pieces.push(bytes.subarray(at, at + length));
		at += length;
	}
	return pieces;
}

test("the conversation that is cut up here goes well to its end", () => {
	expect(whole.fault).toBe("samples came for a stream that the guest does not have");
	expect(said.commandsOf(Buffer.from(whole.toHost, "hex")).map(({ number }) => number)).toEqual([
		...[command.auth, command.setClientName, command.getSinkInfoList, command.createPlaybackStream],
		...[command.getSourceInfo, command.createRecordStream, command.setSinkInputVolume, command.getServerInfo],
	]);
});

test("however bytes are cut, the same comes out", () => {
	fc.assert(
		fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }), (lengths) => {
			expect(play(script, (bytes) => cutAt(bytes, lengths))).toEqual(whole);
		}),
		{ numRuns },
	);
});

test.each(corpus)("$what: passes, or ends the connection with a sentence", ({ hex }) => {
	const before = script.slice(0, 6);
	const usual = play(before, (bytes) => [bytes]);
	const { toHost } = play([...before, ["guest", Buffer.from(hex, "hex")]], (bytes) => [bytes]);
	expect(toHost.startsWith(usual.toHost)).toBe(true);
	play([["guest", Buffer.from(hex, "hex")]], (bytes) => [bytes]);
	play([...before, ["host", Buffer.from(hex, "hex")]], (bytes) => [bytes]);
});

test("noise, and conversations that are damaged on one side, end with a sentence or not at all", () => {
	const damage = fc.record({ step: fc.nat(script.length - 1), at: fc.nat(), bytes: fc.uint8Array({ maxLength: 5 }) });
	fc.assert(
		fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
			const steps = script.map((each) => [...each] as [Side, Buffer]);
			for (const { step: which, at, bytes } of damages) {
				const hit = steps[which];
				if (hit !== undefined) hit[1] = overwrite(hit[1], at, bytes);
			}
			const { toHost } = play(steps, (bytes) => [bytes]);
			for (const { number } of said.commandsOf(Buffer.from(toHost, "hex"))) expect(allowed).toContain(number);
		}),
		{ numRuns: numRuns * 3 },
	);
	fc.assert(
		fc.property(fc.constantFrom<Side>("guest", "host"), fc.uint8Array({ maxLength: 200 }), (side, bytes) => {
			const command = Buffer.from(bytes);
			play([...script.slice(0, 15), [side, said.block(invalidIndex, command)]], (each) => [each]);
			play([...script.slice(0, 15), [side, command]], (each) => [each]);
		}),
		{ numRuns },
	);
});

function overwrite(target: Buffer, at: number, bytes: Uint8Array): Buffer {
	const damaged = Buffer.from(target);
	damaged.set(
		bytes.subarray(0, damaged.length),
		Math.min(at % damaged.length, damaged.length - Math.min(bytes.length, damaged.length)),
	);
	return damaged;
}
