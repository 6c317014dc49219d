import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, it } from "vitest";
import { formatCommandLine } from "../../src/terminal/command-line.ts";
import { toSafeText } from "../../src/terminal/safe-text.ts";

it.each<[readonly string[], string]>([
	[["ls"], "ls"],
	[["sh", "-c", "echo 'a b' | wc"], "sh -c 'echo '\\''a b'\\'' | wc'"],
	[["printf", "", "é"], "printf '' 'é'"],
	[["printf", "a\nb\t\r'\\"], "printf $'a\\nb\\t\\r\\'\\\\'"],
	[["\x1b[2J\x7f", "\u202e\u{e0001}"], "$'\\x1b[2J\\x7f' $'\\u202e\\U000e0001'"],
])("%j is shown as %s", (argv, line) => {
	expect(formatCommandLine(argv, 100)).toBe(line);
});

it("what is too long is cut, in no character's middle", () => {
	expect(formatCommandLine(["echo", "123456"], 10)).toBe("echo 1234…");
	expect(formatCommandLine(["\u{20000}".repeat(20)], 10)).toBe("'\u{20000}\u{20000}\u{20000}\u{20000}…");
	expect(formatCommandLine(["a".repeat(11)], 10)).toBe(`${"a".repeat(9)}…`);
	expect(formatCommandLine(["a".repeat(10)], 10)).toBe("a".repeat(10));
	expect(formatCommandLine(Array(1_000_000).fill("x"), 1024)).toHaveLength(1024);
});

it("it is one line of safe text, within its bound, whatever the words are", () => {
	const words = fc.array(fc.string({ unit: "binary" }), { minLength: 1 });
	fc.assert(
		fc.property(words, fc.integer({ min: 2, max: 200 }), (argv, max) => {
			const line = formatCommandLine(argv, max);
			expect(line.length).toBeLessThanOrEqual(max);
			expect(toSafeText(line)).toBe(line);
			expect(line).not.toMatch(/[\n\t]/);
		}),
	);
});

it("bash reads the same words back", () => {
	const argv = ["a b", "", "it's", "$x `y` \\", "\x01\n\t\x7f", "é\u202e\u{e0001}"];
	const { stdout } = spawnSync("bash", ["-c", `printf '%s\\0' ${formatCommandLine(argv, 1000)}`], {
		env: { LC_ALL: "C.UTF-8" },
	});
	expect(stdout.toString().split("\0").slice(0, -1)).toEqual(argv);
});
