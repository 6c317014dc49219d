import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QubesLiteError } from "../../src/errors.ts";
import { formatSessionId, parseSessionId, toBootTag } from "../../src/protocol/session-id.ts";

describe("the id of a session", () => {
	test("is vm, number and boot; a person may leave the boot out", () => {
		expect(parseSessionId("shopping.3.9f3c")).toEqual({ vm: "shopping", session: 3, boot: "9f3c" });
		expect(parseSessionId("disp-1a2b.12")).toEqual({ vm: "disp-1a2b", session: 12, boot: null });
	});

	test("is read back as it was written", () => {
		const ids = fc.record({
			vm: fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/),
			session: fc.integer({ min: 1, max: 999_999_999_999_999 }),
			boot: fc.option(fc.stringMatching(/^[0-9a-f]{4}$/)),
		});
		fc.assert(
			fc.property(ids, (id) => {
				expect(parseSessionId(formatSessionId(id))).toEqual(id);
			}),
		);
	});

	test.each([
		...["", "shopping", "shopping.", "shopping.0", "shopping.-1", "shopping.03", "shopping.1e3", "shopping.3."],
		...["shopping.3.9F3C", "shopping.3.9f3", "shopping.3.9f3c0", "shopping.3.9f3c.1", ".3", "3"],
		...["shopping.3\n", "shopping.3.9f3c\n", "a.b.3", "shopping.1234567890123456", `${"x".repeat(65)}.3`],
	])("is not %j", (word) => {
		expect(() => parseSessionId(word)).toThrow(
			expect.objectContaining({
				code: "BadRequest",
				message: `'${word.slice(0, 64)}' is not the id of a session, such as shopping.3.9f3c`,
				remedy: "qubes-lite ps",
			}),
		);
	});

	test("is anything else with a BadRequest at most", () => {
		const nearly = fc.string({ unit: fc.constantFrom("a", "3", ".", "\n", "0", "f", "-", "\0", "🦊"), maxLength: 30 });
		fc.assert(
			fc.property(fc.oneof(fc.string(), nearly), (word) => {
				try {
					expect(formatSessionId(parseSessionId(word))).toBe(word);
				} catch (error) {
					if (!(error instanceof QubesLiteError)) throw error;
					expect(error.code).toBe("BadRequest");
				}
			}),
		);
	});
});

test("a boot is called by the beginning of its nonce", () => {
	expect(toBootTag("9f3c0123456789abcdef0123456789ab")).toBe("9f3c");
});
