import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Exec, encodeAttach, encodeExec, parseAttach, parseExec, sha256Hex } from "../../src/protocol/exec.ts";
import { execMaxBytes } from "../../src/protocol/limits.ts";

const plain: Exec = { argv: ["true"], env: {}, cwd: null, user: null, tty: null, detach: false };
const exec = (facts: Partial<Exec>): Exec => ({ ...plain, ...facts });

/** Any valid UTF-8 without NUL: every code point of every plane, control characters and line breaks among them. */
const word = fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.replaceAll("\0", ""));
const name = word.map((text) => text.replaceAll("=", "")).filter((text) => text !== "");
const plainExec = fc.record({
	argv: fc.array(word, { minLength: 1, maxLength: 12 }),
	env: fc.dictionary(fc.oneof(name, fc.constantFrom("__proto__", "constructor", "7")), word, {
		maxKeys: 8,
		noNullPrototype: false,
	}),
	cwd: fc.option(word),
	user: fc.option(word),
	tty: fc.option(
		fc.record({ rows: fc.integer({ min: 1, max: 0xffff }), columns: fc.integer({ min: 1, max: 0xffff }) }),
	),
	detach: fc.boolean(),
});
const someExec: fc.Arbitrary<Exec> = fc
	.tuple(plainExec, fc.constantFrom({}, { input: true as const }))
	.map(([facts, input]) => ({ ...facts, ...input }));

/** Exec bytes with this header and these vectors, whatever they are. */
function bytesOf(header: unknown, vectors: string | Buffer): Buffer {
	const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
	const length = Buffer.alloc(4);
	length.writeUInt32BE(json.length);
	return Buffer.concat([length, json, Buffer.from(vectors as string)]);
}

const header = { argc: 1, envc: 1, cwd: null, user: null, tty: null, detach: false };
const malformed = (what: string) =>
	expect.objectContaining({ code: "BadRequest", message: `the exec message is malformed: ${what} is wrong` });

describe("a command", () => {
	test("arrives exactly as it was, whatever valid UTF-8 it holds", () => {
		fc.assert(
			fc.property(someExec, (sent) => {
				const received = parseExec(encodeExec(sent));
				expect({ ...received, env: Object.entries(received.env).sort() }).toEqual({
					...sent,
					env: Object.entries(sent.env).sort(),
				});
			}),
			{ numRuns: 300 },
		);
	});

	test.each([
		["empty words, the first among them", ["", "", "a", ""]],
		["words of the shell", ["sh", "-c", "a; b | c && $(d) `e` \"f\" 'g' %n \\", "-rf", "--"]],
		["line breaks and escapes", ["printf", "a\nb\r\n\x1b[31m\x7f\t"]],
		["planes beyond the first", ["🦊", "\u{10ffff}", "ﬁ", "e\u0301", "\ufeff"]],
		["words of the protocol", ["EXIT", '{"argc":2}', "__proto__"]],
		["131,071 bytes in one argument", ["x".repeat(131_071)]],
	])("arrives with %s", (_what, argv) => {
		expect(parseExec(encodeExec(exec({ argv }))).argv).toEqual(argv);
	});

	test("arrives with an environment of 1 MiB, whose values may hold anything but NUL", () => {
		const env = { A: "=b=c\n", B: "", LARGE: "y".repeat(1 << 20), "a.b c": "odd but legal" };
		expect({ ...parseExec(encodeExec(exec({ env }))).env }).toEqual(env);
	});

	test("with a variable called __proto__ changes no prototype", () => {
		const env: Record<string, string> = JSON.parse('{"__proto__":"x"}');
		const received = parseExec(encodeExec(exec({ env })));
		expect(Object.entries(received.env)).toEqual([["__proto__", "x"]]);
		expect(Object.getPrototypeOf(received.env)).toBeNull();
	});

	test.each<[string, Partial<Exec>]>([
		["its command", { argv: ["a\0b"] }],
		["an argument", { argv: ["a", "\0"] }],
		["a variable's name", { env: { "A\0": "b" } }],
		["a variable's value", { env: { A: "b\0" } }],
		["its directory", { cwd: "/tmp\0/x" }],
		["its user", { user: "root\0" }],
	])("with a NUL in %s is refused, for no command can receive it", (_where, facts) => {
		expect(() => encodeExec(exec(facts))).toThrow(
			expect.objectContaining({
				code: "BadRequest",
				message: "an argument holds a NUL byte, which no command can receive",
			}),
		);
	});

	test.each(["", "A=B", "="])("with a variable called %j is refused, since it would arrive as another", (bad) => {
		expect(() => encodeExec(exec({ env: { [bad]: "x" } }))).toThrow(
			expect.objectContaining({
				code: "BadRequest",
				message: `"${bad}" can't be the name of an environment variable`,
			}),
		);
	});

	test("that is none is refused", () => {
		expect(() => encodeExec(exec({ argv: [] }))).toThrow(
			expect.objectContaining({ code: "BadRequest", message: "there is no command to run" }),
		);
	});

	test("may be as large as the limit, and not a byte larger", () => {
		const rest = encodeExec(exec({ argv: [""] })).length;
		const largest = exec({ argv: ["x".repeat(execMaxBytes - rest)] });
		expect(parseExec(encodeExec(largest))).toMatchObject({ argv: largest.argv });
		expect(() => encodeExec(exec({ argv: ["x".repeat(execMaxBytes - rest + 1)] }))).toThrow(
			`the command with its arguments and environment has ${execMaxBytes + 1} bytes; the limit is ${execMaxBytes}`,
		);
	});

	test("with a directory too long for the message is refused here, not by the guest", () => {
		const cwd = `/${"d".repeat(4_095)}`;
		expect(parseExec(encodeExec(exec({ cwd }))).cwd).toBe(cwd);
		expect(() => encodeExec(exec({ cwd: "/".repeat(9_000) }))).toThrow(
			"the working directory or the user's name is too long",
		);
	});

	test("has one hash, that of its bytes", () => {
		expect(sha256Hex(Buffer.from("abc"))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	});
});

describe("exec bytes", () => {
	test.each<[string, Buffer, string]>([
		["nothing", Buffer.alloc(0), "its size"],
		["three bytes", Buffer.alloc(3), "its size"],
		["more than the limit", Buffer.alloc(execMaxBytes + 1), "its size"],
		["a header of 4 GiB", Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7b]), "its header's length"],
		["a header longer than its bytes", Buffer.from([0, 0, 0, 3, 0x7b, 0x7d]), "its header's length"],
		["a header longer than any", bytesOf(`{"a":"${"x".repeat(9_000)}"}`, "true\0"), "its header's length"],
		["no words", bytesOf(header, ""), "the end of its last word"],
		["a last word without its end", bytesOf(header, "true\0A=b"), "the end of its last word"],
		["bytes that are not UTF-8", bytesOf(header, Buffer.from([0xff, 0, 0x41, 0x3d, 0])), "its encoding (not UTF-8)"],
		["half a surrogate pair", bytesOf(header, Buffer.from([0xed, 0xa0, 0x80, 0])), "its encoding (not UTF-8)"],
		["an overlong NUL", bytesOf(header, Buffer.from([0xc0, 0x80, 0])), "its encoding (not UTF-8)"],
		["a word too few", bytesOf(header, "true\0"), "the number of its words"],
		["a word too many", bytesOf(header, "true\0A=b\0C=d\0"), "the number of its words"],
		["a variable without a value", bytesOf(header, "true\0A\0"), "an environment word without a name"],
		["a variable without a name", bytesOf(header, "true\0=b\0"), "an environment word without a name"],
		["a NUL in the directory", bytesOf({ ...header, cwd: "/\0" }, "true\0A=b\0"), "its cwd"],
		["a NUL in the user", bytesOf({ ...header, user: "\0" }, "true\0A=b\0"), "its user"],
	])("with %s are refused", (_what, bytes, what) => {
		expect(() => parseExec(bytes)).toThrow(malformed(what));
	});

	test.each<[string, unknown]>([
		["no JSON", "{"],
		["a list", []],
		["no argc", { ...header, argc: undefined }],
		["an argc of 0", { ...header, argc: 0, envc: 2 }],
		["a negative envc", { ...header, argc: 3, envc: -1 }],
		["a huge argc", { ...header, argc: 2 ** 53 }],
		["an argc in words", { ...header, argc: "1" }],
		["no cwd", { ...header, cwd: undefined }],
		["a number as user", { ...header, user: 0 }],
		["a tty without columns", { ...header, tty: { rows: 24 } }],
		["a tty of no size", { ...header, tty: { rows: 0, columns: 80 } }],
		["a tty that is true", { ...header, tty: true }],
		["no word about detaching", { ...header, detach: undefined }],
		["a null for detaching", { ...header, detach: null }],
	])("whose header has %s are refused", (_what, bad) => {
		expect(() => parseExec(bytesOf(bad, "true\0A=b\0"))).toThrow(
			expect.objectContaining({ name: "QubesLiteError", code: "BadRequest" }),
		);
	});
});

describe("attach bytes", () => {
	const attach = { session: 3, tty: { rows: 24, columns: 80 } };

	test("arrive as they were, with a terminal's size or without", () => {
		for (const sent of [attach, { session: Number.MAX_SAFE_INTEGER, tty: null }]) {
			expect(parseAttach(encodeAttach(sent))).toEqual(sent);
		}
	});

	test("are the same bytes each time: their hash is announced", () => {
		expect(encodeAttach({ tty: null, session: 3 })).toEqual(Buffer.from('{"session":3,"tty":null}'));
	});

	test.each<[string, unknown, string]>([
		["no session", { tty: null }, "the attach message needs session: a whole number from 1 to 9007199254740991"],
		["a session 0", { ...attach, session: 0 }, "the attach message needs session"],
		["a session in words", { ...attach, session: "3" }, "the attach message needs session"],
		["no tty", { session: 3 }, "the attach.tty message is not a JSON object"],
		["a tty of no size", { session: 3, tty: {} }, "the attach.tty message needs rows: a whole number from 1 to 65535"],
		["a tty too wide", { session: 3, tty: { rows: 1, columns: 65_536 } }, "the attach.tty message needs columns"],
	])("with %s are refused, by name", (_what, value, message) => {
		expect(() => parseAttach(Buffer.from(JSON.stringify(value)))).toThrow(message);
	});

	test("are no exec bytes, and exec bytes are none of them", () => {
		expect(() => parseExec(encodeAttach(attach))).toThrow(malformed("its header's length"));
		expect(() => parseAttach(encodeExec(plain))).toThrow("the attach message is not JSON");
	});
});
