import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBody } from "../../src/dbus/body-writer.ts";
import { encodeMessage, MessageReader, messageType, toVariant } from "../../src/dbus/message-codec.ts";

const require = createRequire(import.meta.url);
const { marshallMessage } = require("dbus-next/lib/marshall-compat.js");

/** The same by the library's own way. */
function byLibrary(signature: string, body: readonly unknown[]): Buffer {
	const [bytes]: [Buffer] = marshallMessage({ type: 1, serial: 1, destination: "a.b", signature, body: [...body] });
	return bytes.subarray(bytes.length - bytes.readUInt32LE(4));
}

const text = fc.string({ unit: "grapheme", maxLength: 12 }).map((word) => word.replaceAll("\0", ""));
const uint = fc.nat(0xffff_ffff);
const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array));
const key = text.filter((word) => word !== "__proto__");
const variant = fc.oneof(
	text.map((word) => toVariant("s", word)),
	uint.map((number) => toVariant("u", number)),
	bytes.map((some) => toVariant("ay", some)),
	fc.boolean().map((is) => toVariant("b", is)),
	fc.bigInt(0n, 2n ** 64n - 1n).map((number) => toVariant("t", number)),
	fc.array(text, { maxLength: 4 }).map((words) => toVariant("as", words)),
	text.map((word) => toVariant("v", toVariant("s", word))),
);
const dictionary = fc.dictionary(key, variant, { maxKeys: 4, noNullPrototype: true });

const cases: readonly (readonly [string, fc.Arbitrary<readonly unknown[]>])[] = [
	["s", fc.tuple(text)],
	["yb", fc.tuple(fc.nat(255), fc.boolean())],
	["nqiu", fc.tuple(fc.integer({ min: -32768, max: 32767 }), fc.nat(65535), fc.integer(), uint)],
	[
		"yd",
		fc.tuple(
			fc.nat(255) /** The library makes 0 of −0, and has no infinities. */,
			fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
		),
	],
	["as", fc.tuple(fc.array(text))],
	["ayay", fc.tuple(bytes, bytes)],
	["aay", fc.tuple(fc.array(bytes))],
	["a{sv}", fc.tuple(dictionary)],
	["sa{sv}as", fc.tuple(text, dictionary, fc.array(text))],
	["a(sous)", fc.tuple(fc.array(fc.tuple(text, text, uint, text)))],
	[
		"a{oa{sa{sv}}}",
		fc.tuple(
			fc.dictionary(key, fc.dictionary(key, dictionary, { noNullPrototype: true, maxKeys: 3 }), {
				noNullPrototype: true,
				maxKeys: 3,
			}),
		),
	],
	["ya(sst)v", fc.tuple(fc.nat(255), fc.array(fc.tuple(text, text, fc.bigInt(0n, 2n ** 53n))), variant)],
	["isa{sv}", fc.tuple(fc.integer(), text, dictionary)],
];

describe("bodies", () => {
	it.each(cases)("of '%s' are as the library writes them, and are read back", (signature, arbitrary) => {
		fc.assert(
			fc.property(arbitrary, (body) => {
				const encoded = encodeBody(signature, body);
				expect(encoded.equals(byLibrary(signature, body))).toBe(true);
				const message = encodeMessage({
					type: messageType.signal,
					serial: 1,
					path: "/a",
					interface: "a.b",
					member: "C",
					signature,
					body,
				});
				const [read] = new MessageReader().read(message);
				expect(encodeBody(signature, read?.read() ?? []).equals(encoded)).toBe(true);
			}),
			{ numRuns: 100 },
		);
	});

	it.each([
		["s", [7]],
		["s", ["a\0b"]],
		["s", []],
		["u", [-1]],
		["u", [2 ** 32]],
		["u", ["7"]],
		["y", [256]],
		["b", [1]],
		["as", ["abc"]],
		["(ss)", [["a"]]],
		["a{sv}", [{ a: "b" }]],
		["v", ["a"]],
		["v", [toVariant("ss", "a")]],
		["t", [-1n]],
		["s", [undefined]],
		["z", ["a"]],
	])("that do not fit '%s' are refused, %#", (signature, body) => {
		expect(() => encodeBody(signature, body)).toThrow();
	});
});
