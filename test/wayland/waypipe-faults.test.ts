import { describe, expect, test } from "vitest";
import { HostFault } from "../../src/wayland/faults.ts";
import { type Case, sends, testCases } from "./fault-cases.ts";
import { newDisplay, TestProgram } from "./test-program.ts";
import { token, wire, words } from "./wire.ts";

function draws(program: TestProgram, ...messages: readonly Buffer[]): void {
	program.file(4096);
	program.send(...messages);
}

const waypipe: readonly Case[] = [
	{
		what: "a graphics card's file",
		sentence: "it sent a message of type 4, which no display without a graphics card has",
		act: sends(wire("openDmabuf", Buffer.alloc(64))),
	},
	{
		what: "a type that nobody knows",
		sentence: "it sent a message of type 31, which no display without a graphics card has",
		act: sends(wire(31)),
	},
	{
		what: "the wish to come back",
		sentence: "its waypipe wanted to come back to a connection that was cut",
		act: sends(wire("restart", words(0))),
	},
	{
		what: "a message without room for its own size",
		sentence: "it sent a message (protocol) with -4 bytes",
		act: sends(words(0)),
	},
	{
		what: "a message that is too large, before it has come",
		sentence: "it sent a message (protocol) with 134217720 bytes",
		act: sends(words((2 ** 27 - 4) * 32)),
	},
	{
		what: "a pipe with a strange size",
		sentence: "it sent a message (openReadPipe) with 8 bytes",
		act: sends(wire("openReadPipe", words(1, 2))),
	},
	{
		what: "a number of the host's",
		sentence: "it numbered a descriptor as only the host does",
		act: sends(wire("openFile", words(-1, 10))),
	},
	{
		what: "the same number twice",
		sentence: "it numbered two descriptors alike",
		act: sends(wire("openFile", words(1, 10)), wire("openReadPipe", words(1))),
	},
	{
		what: "descriptors without end",
		sentence: "it sent descriptors that belong to nothing",
		act: sends(wire("injectRids", words(...Array(200).fill(1))), wire("injectRids", words(...Array(200).fill(1)))),
	},
	{
		what: "pixels beyond the end",
		sentence: "it sent pixels beyond the end of their file",
		act: (program) => draws(program, wire("bufferFill", words(1, 4092, 4100), Buffer.alloc(8))),
	},
	{
		what: "pixels from their end to their start",
		sentence: "it sent pixels of another size than it said",
		act: (program) => draws(program, wire("bufferFill", words(1, 8, 4))),
	},
	{
		what: "fewer pixels than announced",
		sentence: "it sent pixels of another size than it said",
		act: (program) => draws(program, wire("bufferFill", words(1, 0, 8), Buffer.alloc(4))),
	},
	...[
		{ what: "changes beyond the end", diff: words(1023, 1025, 0, 0) },
		{ what: "changes from their end to their start", diff: words(8, 4) },
		{ what: "changes that are longer than they are", diff: words(0, 3, 1, 2) },
		{ what: "changes that end within their head", diff: words(0, 1, 7, 5) },
	].map(({ what, diff }) => ({
		what,
		sentence: "it sent changes of pixels that lie outside of their file",
		act: (program: TestProgram) => draws(program, wire("bufferDiff", words(1, diff.length, 0), diff)),
	})),
	{
		what: "more at the end of changes than a block has",
		sentence: "it sent more changes of pixels than their file has",
		act: (program) => draws(program, wire("bufferDiff", words(1, 0, 64), Buffer.alloc(64))),
	},
	{
		what: "changes of another size",
		sentence: "it sent changes of pixels of another size than it said",
		act: (program) => draws(program, wire("bufferDiff", words(1, 16, 0), Buffer.alloc(12))),
	},
	{
		what: "a file that shrinks",
		sentence: "it made a file of pixels smaller",
		act: (program) => draws(program, wire("extendFile", words(1, 4096))),
	},
];

describe("A message of waypipe's", () => testCases(waypipe));

test.each([
	[words(0x8000_0984, 1, 2, 3), "its waypipe has another byte order"],
	[words(0x1_0904, 1, 2, 3), "its waypipe has another byte order"],
	[words(0x2_0984, 1, 2, 3), "its waypipe speaks version 2 of the protocol, not 1"],
	[words(0x1_0986, 1, 2, 3), "its waypipe wanted to come back to a connection that was cut"],
	[words(0x1_0a84, 1, 2, 3), "its waypipe compresses; it is to run with --compress none"],
	[words(0x1_0884, 1, 2, 3), "its waypipe compresses; it is to run with --compress none"],
	[words(0x1_1184, 1, 2, 3), "its waypipe sends videos"],
])("A connection that begins with %o is refused: %s", (greeting, sentence) => {
	expect(() => new TestProgram(newDisplay(), greeting)).toThrow(sentence);
});

test("The host's waypipe gets a token of ours, with the guest's key.", () => {
	const program = new TestProgram(newDisplay(), token.subarray(0, 15));
	program.connection.fromGuest(token.subarray(15));
	expect(program.bytes().toHost).toEqual(token);
	const reconnectable = new TestProgram(newDisplay(), words(0x1_0985, 1, 2).subarray(0, 11));
	reconnectable.connection.fromGuest(Buffer.concat([words(2).subarray(3), words(3)]));
	expect(reconnectable.bytes().toHost).toEqual(token);
});

test("Late pixels of a file that has gone are no fault: they are left out.", () => {
	const program = new TestProgram(newDisplay());
	program.host();
	program.send(
		wire("bufferFill", words(7, 0, 8), Buffer.alloc(8)),
		wire("bufferDiff", words(7, 12, 0), words(0, 1, 5)),
	);
	program.send(wire("pipeTransfer", words(7), Buffer.alloc(3)), wire("extendFile", words(7, 8)));
	expect(program.host()).toEqual([]);
});

test.each([
	["a type that nobody knows", wire(31), "the host's waypipe sent a message of type 31"],
	["a size that is none", words(0), "the host's waypipe sent a message (protocol) with -4 bytes"],
	["half a message", wire("protocol", words(1)), "the compositor sent a part of a Wayland message"],
	["a wrong size", wire("protocol", words(1, 4)), "the compositor sent a Wayland message of an impossible size"],
	[
		"an unknown event",
		wire("protocol", words(1, 8 * 65536 + 9)),
		"the compositor sent event 9 of a wl_display, which has no such",
	],
	["a short event", wire("protocol", words(1, 8 * 65536 + 1)), "wl_display.delete_id came too short"],
])("The host's waypipe is told apart: %s is its fault.", (_, message, sentence) => {
	const program = new TestProgram(newDisplay());
	expect(() => program.hostSends(message)).toThrow(new HostFault(sentence));
});
