import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noSuchVm, parseVmName } from "../../src/config/vm-name.ts";
import { nearestName } from "../../src/nearest-name.ts";

describe("parseVmName", () => {
	test("takes every name of the rule unchanged", () => {
		fc.assert(
			fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/), (name) => {
				expect(parseVmName(name)).toBe(name);
			}),
		);
	});

	test.each([
		["", "''"],
		["../x", "'../x'"],
		["-rf", "'-rf'"],
		["a;b", "'a;b'"],
		["$(x)", "'$(x)'"],
		["%n", "'%n'"],
		["shopping\n", "'shopping\\u{a}'"],
		["a\u0000b", "'a\\u{0}b'"],
		["\u0455hopping", "'\\u{455}hopping'"],
		["Shopping", "'Shopping'"],
		["1st", "'1st'"],
		["a".repeat(13), "'aaaaaaaaaaaaa'"],
		["a".repeat(300), `'${"a".repeat(57)}...'`],
		["\u001b]0;x\u0007", "'\\u{1b}]0;x\\u{7}'"],
		[3, "of type number"],
		[undefined, "of type undefined"],
		[["a"], "of type object"],
	])("refuses %j", (untrusted, shown) => {
		expect(() => parseVmName(untrusted)).toThrow(
			expect.objectContaining({
				code: "BadName",
				message: `${shown} is not a vm name: expected 1 to 12 characters of a-z, 0-9 and '-', the first a letter`,
				remedy: "list the vms with: qubes-lite ls",
			}),
		);
	});
});

describe("nearestName", () => {
	const known = ["banking", "shopping", "personal", "vault", "disp"];

	test.each([
		["shoping", "shopping"],
		["shopipng", "shopping"],
		["hsoping", "shopping"],
		["banknig", "banking"],
		["vualt", "vault"],
		["dips", "disp"],
		["disp1", "disp"],
		["VAULT", "vault"],
		["work", undefined],
		["dip-s", undefined],
		["x", undefined],
		["", undefined],
		["a".repeat(1_000_000), undefined],
	])("%j", (name, nearest) => {
		expect(nearestName(name.slice(0, 1_000_000), known)).toBe(nearest);
	});

	test("takes the nearer of two, whatever their order", () => {
		expect(nearestName("work-2a", ["work-1b", "work-2"])).toBe("work-2");
		expect(nearestName("work-2a", ["work-2", "work-1b"])).toBe("work-2");
	});

	test("one slip in a name of five or more is always found", () => {
		const name = fc.stringMatching(/^[a-z]{5,12}$/);
		fc.assert(
			fc.property(name, fc.nat(), fc.constantFrom("drop", "swap", "add", "replace"), (name, seed, slip) => {
				const at = seed % (name.length - 1);
				const [a = "", b = ""] = name.slice(at, at + 2);
				const changed = { drop: b, swap: b + a, add: `${a}0${b}`, replace: `0${b}` }[slip];
				expect(nearestName(name.slice(0, at) + changed + name.slice(at + 2), [name])).toBe(name);
			}),
		);
	});
});

describe("noSuchVm", () => {
	test("guesses and lists", () => {
		expect(noSuchVm("shoping", ["banking", "shopping"]).toFacts()).toEqual({
			code: "NoSuchVm",
			message: "there is no vm 'shoping'; did you mean 'shopping'?",
			remedy: "choose one of the configured vms: banking, shopping",
		});
	});

	test("does not guess where nothing is near, nor list a hundred", () => {
		const known = Array.from({ length: 127 }, (_, index) => `vm-${index}`);
		const { message, remedy } = noSuchVm("work", known);
		expect(message).toBe("there is no vm 'work'");
		expect(remedy).toMatch(/: vm-0, vm-1, .*, vm-19, … \(qubes-lite ls\)$/);
		expect(noSuchVm("work", []).remedy).toBe("configure a vm first");
	});
});
