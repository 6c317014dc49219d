import { describe, expect, test } from "vitest";
import { Fields } from "../../src/protocol/fields.ts";

const parse = (json: string): Fields => Fields.parse("test", Buffer.from(json));
const refusal = (message: string) => expect.objectContaining({ code: "BadRequest", message });

describe("a message", () => {
	test.each(["", "{", "nothing", '{"a":1}x', "\0", '{"a":01}'])("that is not JSON is refused: %j", (json) => {
		expect(() => parse(json)).toThrow(refusal("the test message is not JSON"));
	});

	test.each(["null", "1", "true", '"x"', "[]", "[{}]"])("that is no JSON object is refused: %s", (json) => {
		expect(() => parse(json)).toThrow(refusal("the test message is not a JSON object"));
	});

	test("nested 100,000 deep is refused or read, and breaks nothing", () => {
		const deep = `{"a":${"[".repeat(100_000)}`;
		expect(() => parse(deep)).toThrow(refusal("the test message is not JSON"));
	});

	test("is read from its own bytes alone, where it is a part of a larger buffer", () => {
		const bytes = Buffer.from('xx{"a":"b"}xx');
		expect(Fields.parse("test", bytes.subarray(2, -2)).string("a", 1)).toBe("b");
	});

	test("may say more than we know", () => {
		expect(parse('{"a":"b","later":[1,{"x":null}]}').string("a", 1)).toBe("b");
	});
});

describe("a field", () => {
	test("that only the prototype has is not there", () => {
		const fields = parse('{"__proto__":{"a":"inherited"}}');
		expect(fields.has("a")).toBe(false);
		expect(fields.has("toString")).toBe(false);
		expect(fields.has("constructor")).toBe(false);
		expect(() => fields.string("a", 20)).toThrow(
			refusal("the test message needs a: a string of at most 20 characters"),
		);
		expect(Object.hasOwn(Object.prototype, "a")).toBe(false);
	});

	test("is there when it is null, and not when it is missing", () => {
		const fields = parse('{"a":null}');
		expect(fields.has("a")).toBe(true);
		expect(fields.isNull("a")).toBe(true);
		expect(fields.has("b")).toBe(false);
		expect(fields.isNull("b")).toBe(false);
	});

	test("that occurs twice has its last value", () => {
		expect(parse('{"a":1,"a":2}').integer("a", 0, 9)).toBe(2);
	});

	test("of a nested object is named with its way there", () => {
		expect(() => parse('{"a":{"b":1}}').object("a").string("b", 3)).toThrow(
			refusal("the test.a message needs b: a string of at most 3 characters"),
		);
		expect(() => parse('{"a":[]}').object("a")).toThrow(refusal("the test.a message is not a JSON object"));
	});
});

describe("a string", () => {
	test.each(["1", "null", "{}", "[]", '["a"]', "true", '"abcd"'])("of at most 3 characters is not %s", (value) => {
		expect(() => parse(`{"a":${value}}`).string("a", 3)).toThrow(/needs a: a string of at most 3 characters/);
	});

	test("may be empty, and may be just as long as the limit", () => {
		expect(parse('{"a":""}').string("a", 3)).toBe("");
		expect(parse('{"a":"abc"}').string("a", 3)).toBe("abc");
	});

	test("that is optional may be missing, but not be something else", () => {
		expect(parse("{}").optionalString("a", 3)).toBeUndefined();
		expect(parse('{"a":"abc"}').optionalString("a", 3)).toBe("abc");
		expect(() => parse('{"a":null}').optionalString("a", 3)).toThrow(/needs a/);
		expect(() => parse('{"a":1}').optionalString("a", 3)).toThrow(/needs a/);
	});
});

describe("a whole number", () => {
	test.each(['"5"', "null", "1.5", "0", "10", "-5", "1e300", "1e999", "[5]", "true", "{}"])(
		"from 1 to 9 is not %s",
		(value) => {
			expect(() => parse(`{"a":${value}}`).integer("a", 1, 9)).toThrow(
				refusal("the test message needs a: a whole number from 1 to 9"),
			);
		},
	);

	test.each(["1", "9", "5.0", "0.5e1"])("from 1 to 9 is %s", (value) => {
		expect(parse(`{"a":${value}}`).integer("a", 1, 9)).toBe(Number(value));
	});

	test("beyond what a double holds exactly is refused, not rounded", () => {
		expect(() => parse('{"a":9007199254740993}').integer("a", 1, Number.MAX_SAFE_INTEGER)).toThrow(/whole number/);
	});
});

describe("hex", () => {
	test("is exactly as many lower-case digits as asked for", () => {
		expect(parse('{"a":"00ff"}').hex("a", 2)).toBe("00ff");
	});

	test.each(['"00f"', '"00fff"', '"00FF"', '"00fg"', '"00f\\n"', '"0xff"', "1234", "null", "[]"])(
		"of two bytes is not %s",
		(value) => {
			expect(() => parse(`{"a":${value}}`).hex("a", 2)).toThrow(refusal("the test message needs a: 4 hex digits"));
		},
	);
});

describe("other values", () => {
	test("a boolean is true or false, and nothing that is nearly so", () => {
		expect(parse('{"a":true}').boolean("a")).toBe(true);
		expect(parse('{"a":false}').boolean("a")).toBe(false);
		for (const value of ["1", "0", '"true"', "null"]) {
			expect(() => parse(`{"a":${value}}`).boolean("a")).toThrow(refusal("the test message needs a: true or false"));
		}
	});

	test("one of some words is none of the others, and no number of one", () => {
		expect(parse('{"a":"run"}').oneOf("a", ["run", "stop"])).toBe("run");
		for (const value of ['"Run"', '"toString"', "0", "null", '["run"]']) {
			expect(() => parse(`{"a":${value}}`).oneOf("a", ["run", "stop"])).toThrow(
				refusal("the test message needs a: one of run, stop"),
			);
		}
	});

	test("ids are whole numbers from 1 up, as many as allowed", () => {
		expect(parse('{"a":[1,9007199254740991]}').ids("a", 2)).toEqual([1, Number.MAX_SAFE_INTEGER]);
		expect(parse('{"a":[]}').ids("a", 2)).toEqual([]);
		for (const value of ["[0]", "[-1]", "[1.5]", '["1"]', "[null]", "[9007199254740992]", "[[1]]"]) {
			expect(() => parse(`{"a":${value}}`).ids("a", 2)).toThrow(refusal("the test message needs a: ids from 1 up"));
		}
		for (const value of ["[1,2,3]", '{"0":1,"length":1}', "1", "null"]) {
			expect(() => parse(`{"a":${value}}`).ids("a", 2)).toThrow(
				refusal("the test message needs a: a list of at most 2 items"),
			);
		}
	});

	test("a list that is too long is refused before an item of it is looked at", () => {
		const look = () => expect.unreachable();
		expect(() => parse('{"a":[1,2,3]}').list("a", 2, look)).toThrow(/a list of at most 2 items/);
	});
});
