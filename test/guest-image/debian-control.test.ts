import { describe, expect, it } from "vitest";
import {
	findUnmet,
	formatAlternatives,
	type InstalledPackage,
	parseRelations,
	parseStanza,
} from "../../guest-image/debian-control.ts";

describe("a stanza", () => {
	it("is the first of the text, with names in lower case and values that go on", () => {
		const stanza = parseStanza("Package: a\nDepends: b,\n c\nSHA256: 12\n\nPackage: other\n");
		expect(stanza?.get("package")).toBe("a");
		expect(parseRelations(stanza?.get("depends") ?? "").flat()).toEqual([{ name: "b" }, { name: "c" }]);
		expect(stanza?.get("sha256")).toBe("12");
	});

	it("is none where there is nothing", () => {
		expect(parseStanza("\n")).toBeUndefined();
	});
});

describe("relations between packages", () => {
	it("are read with versions, alternatives and architectures", () => {
		expect(parseRelations("libc6 (>= 2.34), a:any | b (<< 1:2~rc1), c (=1)")).toEqual([
			[{ name: "libc6", version: { operator: "ge", than: "2.34" } }],
			[{ name: "a" }, { name: "b", version: { operator: "lt", than: "1:2~rc1" } }],
			[{ name: "c", version: { operator: "eq", than: "1" } }],
		]);
	});

	it("are none in an empty field", () => {
		expect(parseRelations("")).toEqual([]);
	});

	it("are refused where they can't be read", () => {
		expect(() => parseRelations("libc6 (> 2)")).toThrow('"libc6 (> 2)" is not a relation');
		expect(() => parseRelations("$(reboot)")).toThrow("is not a relation");
	});

	it("are written as they are read", () => {
		expect(parseRelations("a (>= 2) | b").map(formatAlternatives)).toEqual(["a (>= 2) | b"]);
	});
});

describe("what is unmet", () => {
	const installed: InstalledPackage[] = [
		{ name: "libc6", version: "36", provides: [] },
		{ name: "mawk", version: "9", provides: parseRelations("awk, sed (= 4)").flat() },
	];
	/** Whole numbers are enough here; dpkg compares the real ones. */
	const compare = async (left: string, operator: string, right: string): Promise<boolean> =>
		operator === "ge" ? Number(left) >= Number(right) : Number(left) === Number(right);
	const unmet = async (depends: string): Promise<string[]> =>
		(await findUnmet(parseRelations(depends), installed, compare)).map(formatAlternatives);

	it("is nothing where versions suffice", async () => {
		expect(await unmet("libc6 (>= 34), mawk")).toEqual([]);
	});

	it("is a package that is too old or missing", async () => {
		expect(await unmet("libc6 (>= 38), libfoo, mawk")).toEqual(["libc6 (>= 38)", "libfoo"]);
	});

	it("is nothing where one alternative is there", async () => {
		expect(await unmet("gawk | mawk")).toEqual([]);
	});

	it("counts what others provide, by version only where they provide one", async () => {
		expect(await unmet("awk, sed (>= 3)")).toEqual([]);
		expect(await unmet("awk (>= 1)")).toEqual(["awk (>= 1)"]);
	});
});
