import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, it } from "vitest";
import { shellWord } from "../src/shell-word.ts";

it("leaves plain words as they are", () => {
	for (const word of ["/run/user/1000", "a-b.c:d@e", "+x%y"]) expect(shellWord(word)).toBe(word);
	expect(shellWord("it's")).toBe("'it'\\''s'");
	expect(shellWord("")).toBe("''");
});

it("is read back by sh as it was", () => {
	const words = fc.sample(fc.string({ unit: fc.constantFrom(..."ab '\"\\$`!*~\n\t#;&|<>()é€😀-=") }), 200);
	const line = `printf '%s\\0' ${words.map(shellWord).join(" ")}`;
	expect(execFileSync("/bin/sh", ["-c", line], { encoding: "utf8" }).split("\0").slice(0, -1)).toEqual(words);
});
