import { describe, expect, test } from "vitest";
import { describeWish, toWishKey, wishPath } from "../../src/vmm/image-wish.ts";

describe("the key of a wish", () => {
	test("is the same for the same packages in any order, and another for any other", () => {
		const key = toWishKey({ packages: ["firefox-esr", "foot"] });
		expect(toWishKey({ packages: ["foot", "firefox-esr"] })).toBe(key);
		const others = [
			{ packages: ["foot"] },
			{ packages: ["firefox-esr", "foot"], suite: "bookworm" },
			{ packages: ["firefox-esr foot"] },
			{ packages: ["firefox-esr", "foo", "t"] },
		].map(toWishKey);
		expect(new Set([key, ...others]).size).toBe(5);
	});

	// A broker that is newer than the image must find it.
	test("stays what it is from one version to the next", () => {
		expect(wishPath({ packages: ["foot"] })).toBe("images/by-wish/f449f2acd1002bef626669ffbfa030cd");
	});
});

test.each([
	[["foot"], undefined, "foot"],
	[["firefox-esr", "foot"], undefined, "firefox-esr and foot"],
	[["a1", "b1", "c1", "d1", "e1"], undefined, "a1, b1, c1, d1 and e1"],
	[["a1", "b1", "c1", "d1", "e1", "f1"], "trixie", "a1, b1, c1, d1 and 2 more of Debian trixie"],
])("%j of %s is called %s", (packages, suite, words) => {
	expect(describeWish({ packages, ...(suite !== undefined && { suite }) })).toBe(words);
});
