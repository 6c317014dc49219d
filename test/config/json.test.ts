import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../src/config/json.ts";

test("reads every JSON text as JSON.parse does", () => {
	fc.assert(
		fc.property(fc.json(), fc.constantFrom(0, 2, "\t"), (text, indent) => {
			const expected = JSON.parse(text);
			expect(parseJson(JSON.stringify(expected, null, indent)).value).toEqual(expected);
			expect(parseJson(` \r\n\t${text} `).value).toEqual(expected);
		}),
	);
});

test("refuses every text that JSON.parse refuses, and only those", () => {
	const piece = fc.constantFrom(
		"{",
		"}",
		"[",
		"]",
		",",
		":",
		'"a"',
		"1",
		"-",
		".5",
		"e1",
		"01",
		"true",
		"nul",
		" ",
		"'",
		"\\",
	);
	fc.assert(
		fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
			const text = pieces.join("");
			expect(isJson(() => parseJson(text))).toBe(isJson(() => JSON.parse(text)));
		}),
		{ numRuns: 2000 },
	);
});

function isJson(parse: () => unknown): boolean {
	try {
		parse();
		return true;
	} catch {
		return false;
	}
}

test.each([
	["", "line 1, column 1: expected a value, found the end"],
	['{"a": 1,\n "b" 2}', "line 2, column 6: expected ':', found \"2\""],
	['{"a": 1 "b": 2}', "line 1, column 9: expected ',' or '}', found \"\\\"\""],
	["[1,\n\n  2,]", 'line 3, column 5: expected a value, found "]"'],
	["{a: 1}", 'line 1, column 2: expected a key in double quotes, found "a"'],
	["[1] // one", 'line 1, column 5: expected nothing more, found "/"'],
	['["\n"]', 'line 1, column 2: expected a value, found "\\""'],
	["[1 2]", "line 1, column 4: expected ',' or ']', found \"2\""],
	["\u202e", 'line 1, column 1: expected a value, found "\\u{202e}"'],
	["\u{1f4a9}", 'line 1, column 1: expected a value, found "\u{1f4a9}"'],
])("says where %j stops being JSON", (text, message) => {
	expect(() => parseJson(text)).toThrow(message);
});

test("finds keys that are there twice, at every level; the last value counts", () => {
	const { value, repeatedKeys } = parseJson('{"a": 1, "b": [{"c": 1, "c": 2}], "a": 3, "\\u0061": 4}');
	expect(value).toEqual({ a: 4, b: [{ c: 2 }] });
	expect(repeatedKeys).toEqual([["b", 0, "c"], ["a"], ["a"]]);
});

test("a key named __proto__ is a key like any other", () => {
	const { value } = parseJson('{"__proto__": {"polluted": true}}');
	expect(Object.keys(value as object)).toEqual(["__proto__"]);
	expect((value as { polluted?: boolean }).polluted).toBeUndefined();
	expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test("refuses nesting that would overflow the stack, and reads a megabyte of string", () => {
	expect(() => parseJson("[".repeat(500_000))).toThrow("at most 64 levels");
	expect(parseJson(`"${"x".repeat(1_000_000)}"`).value).toHaveLength(1_000_000);
	expect(() => parseJson(`"${"x".repeat(1_000_000)}`)).toThrow("line 1, column 1");
});
