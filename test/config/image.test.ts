import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/loader.ts";
import type { QubesLiteError } from "../../src/errors.ts";

const textOf = (image: unknown): string => JSON.stringify({ version: 1, vms: [{ id: 5, name: "shopping", image }] });
const imageOf = (image: unknown) => parseConfig(textOf(image), "config.json").vms[0]?.image;

function problemsOf(image: unknown): string[] {
	try {
		parseConfig(textOf(image), "config.json");
	} catch (error) {
		return (error as QubesLiteError).message.split("\n  ").slice(1);
	}
	throw new Error("it was taken");
}

describe("a vm's image", () => {
	test("is a directory, or a wish for packages in whatever order", () => {
		expect(imageOf("/images/own")).toBe("/images/own");
		expect(imageOf(undefined)).toBeUndefined();
		expect(imageOf({ packages: ["foot", "firefox-esr"] })).toEqual({ packages: ["firefox-esr", "foot"] });
		expect(imageOf({ packages: ["libstdc++6", "0ad", "a.b"], suite: "trixie" })).toEqual({
			packages: ["0ad", "a.b", "libstdc++6"],
			suite: "trixie",
		});
	});

	test("may ask for 200 packages", () => {
		const packages = Array.from({ length: 200 }, (_, index) => `package${index}`);
		expect(imageOf({ packages })).toEqual({ packages: packages.toSorted() });
	});

	test.each([
		[{}, "vms[0].image.packages is missing; expected a list of names of Debian packages"],
		[
			"foot",
			'vms[0].image is "foot"; expected {"packages": ["foot"]}, an image with that package, or an absolute path',
		],
		["./foot", 'vms[0].image is "./foot"; expected an absolute path without control characters'],
		[7, "vms[0].image is 7; expected an absolute path, or an object with packages"],
		[["foot"], 'vms[0].image is ["foot"]; expected an absolute path, or an object with packages'],
		[{ packages: "foot" }, 'vms[0].image.packages is "foot"; expected a list of names of Debian packages'],
		[
			{ packages: [] },
			"vms[0].image.packages is []; expected at least one package: the built image is what a vm without it boots",
		],
		[{ packages: ["foot", "foot"] }, 'vms[0].image.packages is ["foot","foot"]; expected each package once'],
		[
			{ packages: Array.from({ length: 201 }, (_, index) => `p${index}`) },
			expect.stringMatching(/at most 200 packages$/),
		],
		[{ packages: ["foot"], siute: "sid" }, 'vms[0].image.siute is "sid"; no such key: did you mean "suite"?'],
	])("%j is refused in a sentence", (image, problem) => {
		expect(problemsOf(image)).toEqual([problem]);
	});

	test.each([
		"Foot",
		"f",
		"-rf",
		"foot=1.2",
		"foot/sid",
		"foot bar",
		"?essential",
		"~n",
		"foot:i386",
		"foot\n",
		"",
		"a_b",
		"fóot",
		"a".repeat(101),
	])("has no package %j", (name) => {
		expect(problemsOf({ packages: [name] })).toEqual([
			expect.stringMatching(/^vms\[0\]\.image\.packages\[0\] is .*; expected the name of a Debian package: /),
		]);
	});

	test.each(["Trixie", "bookworm/updates", "../sid", "12", "", "a b", "-sid"])("is of no release %j", (suite) => {
		expect(problemsOf({ packages: ["foot"], suite })).toEqual([
			expect.stringMatching(/^vms\[0\]\.image\.suite is .*; expected a release of Debian as its archive calls it/),
		]);
	});
});
