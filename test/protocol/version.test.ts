import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fields } from "../../src/protocol/fields.ts";
import { agreeOnVersion, ourVersions, parseVersions, type Versions } from "../../src/protocol/version.ts";

const ours: Versions = { version: 7, oldest: 5 };
const unsupported = (message: string) => expect.objectContaining({ code: "Unsupported", message });

describe("two peers", () => {
	test.each<[string, Versions, number]>([
		["just what we speak", { version: 7, oldest: 5 }, 7],
		["more, and ours still", { version: 9, oldest: 7 }, 7],
		["more, and all that we do", { version: 9, oldest: 1 }, 7],
		["less, and our oldest", { version: 5, oldest: 5 }, 5],
		["less, and what is older than ours", { version: 6, oldest: 1 }, 6],
	])("speak the newest that both know, where one speaks %s", (_what, theirs, version) => {
		expect(agreeOnVersion("the agent in shopping", theirs, ours)).toBe(version);
	});

	test("of which one is too old part with a sentence that says so", () => {
		expect(() => agreeOnVersion("the agent in shopping", { version: 4, oldest: 1 }, ours)).toThrow(
			unsupported("the agent in shopping speaks version 4 of the protocol, which is too old: we need 5 or newer"),
		);
	});

	test("of which one is too new part with a sentence that says so", () => {
		expect(() => agreeOnVersion("this client", { version: 9, oldest: 8 }, ours)).toThrow(
			unsupported("this client needs version 8 of the protocol or newer, and we speak 7"),
		);
	});

	test("come to the same answer, whichever of them asks, and it is a version of both", () => {
		const versions = fc
			.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
			.map(([a, b]): Versions => ({ version: Math.max(a, b), oldest: Math.min(a, b) }));
		const speaks = ({ version, oldest }: Versions, number: number): boolean => oldest <= number && number <= version;
		const tryAgree = (theirs: Versions, ours: Versions): number | null => {
			try {
				return agreeOnVersion("a peer", theirs, ours);
			} catch (error) {
				expect(error).toMatchObject({ code: "Unsupported" });
				return null;
			}
		};
		fc.assert(
			fc.property(versions, versions, (one, other) => {
				const agreed = tryAgree(one, other);
				expect(tryAgree(other, one)).toBe(agreed);
				const common = [9, 8, 7, 6, 5, 4, 3, 2, 1].find((number) => speaks(one, number) && speaks(other, number));
				expect(agreed).toBe(common ?? null);
			}),
		);
	});
});

describe("a hello", () => {
	const parse = (facts: object): Versions => parseVersions(Fields.of("hello", facts));

	test("that names one version speaks that one alone, as those before version 2 did", () => {
		expect(parse({ version: 1 })).toEqual({ version: 1, oldest: 1 });
	});

	test("names its oldest version no newer than its newest", () => {
		expect(parse({ version: 4, oldest: 4 })).toEqual({ version: 4, oldest: 4 });
		expect(() => parse({ version: 4, oldest: 5 })).toThrow(
			"the hello message needs oldest: a whole number from 1 to 4",
		);
		expect(() => parse({ version: 4, oldest: null })).toThrow("the hello message needs oldest");
	});
});

test("we speak our own version", () => {
	expect(agreeOnVersion("this client", ourVersions)).toBe(ourVersions.version);
});
