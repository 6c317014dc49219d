/**
 * JSON (RFC 8259) for files that people write. JSON.parse will not do: it keeps the last of two equal keys without a
 * word, and V8 leaves the position out of some of its messages.
 */

import { formatValue } from "./format-value.ts";

/** Keys and indices from the top of the document. */
export type JsonPath = readonly (string | number)[];

export type JsonObject = { [key: string]: unknown };

/** Where the text stops being JSON; line and column count from 1, columns in UTF-16 units as most editors do. */
export class JsonSyntaxError extends Error {
	constructor(text: string, offset: number, expected: string) {
		const before = text.slice(0, offset).split("\n");
		const found = offset < text.length ? formatValue(String.fromCodePoint(text.codePointAt(offset) ?? 0)) : "the end";
		super(`line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: expected ${expected}, found ${found}`);
		this.name = "JsonSyntaxError";
	}
}

/** Deeper than any configuration, far from the depth where recursion overflows the stack. */
const maxDepth = 64;

const space = /[ \t\n\r]*/y;
// Each step inside a string consumes at least one character in one way only: no input makes this backtrack for long.
const scalar =
	/"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;

/**
 * The value in `text`, and the path of every key that an object already had (its last value counts, as in JSON.parse).
 * Objects have no prototype, so a key named `__proto__` is a key like any other. Throws JsonSyntaxError.
 */
export function parseJson(text: string): { value: unknown; repeatedKeys: JsonPath[] } {
	const repeatedKeys: JsonPath[] = [];
	let offset = 0;

	function skipSpace(): void {
		space.lastIndex = offset;
		space.test(text);
		offset = space.lastIndex;
	}

	function take(character: string): boolean {
		skipSpace();
		if (text[offset] !== character) return false;
		offset += 1;
		return true;
	}

	function takeScalar(expected: string): unknown {
		skipSpace();
		scalar.lastIndex = offset;
		const token = scalar.exec(text)?.[0];
		if (token === undefined) throw new JsonSyntaxError(text, offset, expected);
		offset += token.length;
		return JSON.parse(token);
	}

	function takeKey(): string {
		skipSpace();
		if (text[offset] !== '"') throw new JsonSyntaxError(text, offset, "a key in double quotes");
		return String(takeScalar("a key in double quotes"));
	}

	function takeObject(path: JsonPath): JsonObject {
		const object: JsonObject = Object.create(null);
		if (take("}")) return object;
		do {
			const key = takeKey();
			if (!take(":")) throw new JsonSyntaxError(text, offset, "':'");
			if (key in object) repeatedKeys.push([...path, key]);
			object[key] = takeValue([...path, key]);
		} while (take(","));
		if (!take("}")) throw new JsonSyntaxError(text, offset, "',' or '}'");
		return object;
	}

	function takeArray(path: JsonPath): unknown[] {
		const array: unknown[] = [];
		if (take("]")) return array;
		do array.push(takeValue([...path, array.length]));
		while (take(","));
		if (!take("]")) throw new JsonSyntaxError(text, offset, "',' or ']'");
		return array;
	}

	function takeValue(path: JsonPath): unknown {
		if (path.length > maxDepth) throw new JsonSyntaxError(text, offset, `at most ${maxDepth} levels`);
		if (take("{")) return takeObject(path);
		if (take("[")) return takeArray(path);
		return takeScalar("a value");
	}

	const value = takeValue([]);
	skipSpace();
	if (offset < text.length) throw new JsonSyntaxError(text, offset, "nothing more");
	return { value, repeatedKeys };
}

/** An object of parseJson; arrays and null are none. */
export function isJsonObject(value: unknown): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
