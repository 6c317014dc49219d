import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coveringPatterns, matchesHost, nearestHostPattern, parseHostPattern } from "../../src/policy/host-pattern.ts";

describe("a host pattern", () => {
	it.each([
		["*", "*"],
		["bank.example", "bank.example"],
		["Bank.EXAMPLE", "bank.example"],
		["*.Bank.example", "*.bank.example"],
		["localhost", "localhost"],
		["xn--bcher-kva.example", "xn--bcher-kva.example"],
		["127.0.0.1", "127.0.0.1"],
		["[::1]", "[::1]"],
	])("may be %s", (word, pattern) => {
		expect(parseHostPattern(word)).toBe(pattern);
	});

	it.each([
		...["", "*.", "**", "*bank.example", "bank.*", "a.*.example", ".example", "https://bank.example", "bank.example/"],
		...["bank.example:443", "user@bank.example", "bank.example.", "bücher.example", "127.1", "*.127.0.0.1", "*.[::1]"],
		...["::1", "[::0:1]", "[::1]x", "a%62.example", "a b", "x".repeat(254), "a\\b", "?", "#"],
	])("may not be %j", (word) => {
		expect(parseHostPattern(word)).toBeUndefined();
	});

	it.each([
		["bücher.example", "xn--bcher-kva.example"],
		["*.Bücher.example", "*.xn--bcher-kva.example"],
		["bank.example.", "bank.example"],
		["127.1", "127.0.0.1"],
		["[::0:1]", "[::1]"],
		["bank.*", undefined],
		["a/b", undefined],
	])("%s was meant as %s", (word, meant) => {
		expect(nearestHostPattern(word)).toBe(meant);
	});

	it.each<[string, string | null, boolean]>([
		["*", "bank.example", true],
		["*", null, true],
		["bank.example", "bank.example", true],
		["bank.example", "BANK.Example", true],
		["bank.example", "bank.example.", true],
		["bank.example", "www.bank.example", false],
		["bank.example", null, false],
		["*.bank.example", "bank.example", true],
		["*.bank.example", "a.b.bank.example", true],
		["*.bank.example", "evilbank.example", false],
		["*.bank.example", "bank.example.evil.test", false],
		["*.bank.example", "example", false],
		["*.bank.example", null, false],
		["[::1]", "[::1]", true],
	])("%s matches %s: %s", (pattern, host, isMatch) => {
		expect(matchesHost(pattern, host)).toBe(isMatch);
	});

	it("is covered by what matches all that it matches, and by nothing else", () => {
		const label = fc.constantFrom("a", "b", "bank", "example");
		const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
		const pattern = fc.oneof(
			host,
			host.map((one) => `*.${one}`),
			fc.constant("*"),
		);
		/** If all of these match another pattern, then all that this one matches does. */
		const witnessesOf = (one: string): (string | null)[] => {
			if (one === "*") return [null, "other"];
			return one.startsWith("*.") ? [one.slice(2), one.replace("*", "other")] : [one];
		};
		fc.assert(
			fc.property(pattern, pattern, (one, other) => {
				const isCovered = witnessesOf(one).every((name) => matchesHost(other, name));
				expect(coveringPatterns(one).includes(other)).toBe(isCovered);
			}),
			{ numRuns: 2000 },
		);
	});
});
