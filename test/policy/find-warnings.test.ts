import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findRule } from "../../src/policy/find-rule.ts";
import { findWarnings } from "../../src/policy/find-warnings.ts";
import { parsePolicy } from "../../src/policy/parse-policy.ts";
import { findShadowedRules } from "../../src/policy/shadows.ts";
import { anyQuestion, anyRule, names, placed } from "./arbitraries.ts";

const known = { names: ["shopping", "vault", "work", "disp"], defaultBase: "disp" };

function warningsOf(text: string, vms: typeof known | null | { names: string[]; defaultBase: null } = known): string[] {
	const policy = parsePolicy([{ path: "/p", bytes: Buffer.from(text) }]);
	return findWarnings(policy, vms).map(({ at, sentence }) => `${at?.line ?? "-"} ${sentence}`);
}

/** So that nothing is said of lists. */
const all = "* * @host @anyvm allow";

describe("what is hardly meant:", () => {
	it.each([
		[[all, "stop * @host vault deny"], [`2 never decides: /p:1 has all of it (${all})`]],
		[["stop * @host vault deny", all], []],
		[
			["exec * @host @dispvm deny", "exec * @host @dispvm:disp allow", all],
			["2 never decides: /p:1 has all of it (exec * @host @dispvm deny)"],
		],
		[["exec * @host @dispvm deny", "exec * @host @dispvm:work allow", all], []],
		[
			["* * @anyvm work deny", "exec +x vault work allow # x", all],
			["2 never decides: /p:1 has all of it (* * @anyvm work deny)"],
		],
		[["* * @anyvm work deny", "exec * @host work deny", all], []],
		[["exec +x @host work deny", "exec * @host work allow", all], []],
		[
			["exec +x @host work deny", "exec +x @host work deny", all],
			["2 never decides: /p:1 has all of it (exec +x @host work deny)"],
		],
		[["open-url * ask", "open-url bank.example work", all], ["2 never decides: /p:1 has all of it (open-url * ask)"]],
		[
			["open-url *.bank.example ask", "open-url bank.example work", "open-url * work", all],
			["2 never decides: /p:1 has all of it (open-url *.bank.example ask)"],
		],
		[["stop +x @host work deny", all], ["1 never matches: stop has no argument that could be 'x'"]],
		[["* +x @host work deny", all], []],
		[["exec * @host shoping deny", all], ["1 there is no vm 'shoping' in the configuration; did you mean 'shopping'?"]],
		[
			["exec * gone @dispvm:old deny", all],
			["1 there is no vm 'gone' in the configuration", "1 there is no vm 'old' in the configuration"],
		],
		[
			["open-url * gone", "open-url x.example ask", all],
			["1 there is no vm 'gone' in the configuration", "2 never decides: /p:1 has all of it (open-url * gone)"],
		],
		[["exec * @host @anyvm allow"], ["- @host may not even list the vms (qubes-lite ls): no rule allows it"]],
		[["* * @host @anyvm deny"], ["1 @host may not even list the vms (qubes-lite ls): /p:1 denies it"]],
		[["bad", "stop +x @host work deny"], ["2 never matches: stop has no argument that could be 'x'"]],
		[["list * @host @anyvm allow"], []],
	])("%j", (lines, warnings) => {
		expect(warningsOf(lines.join("\n"))).toEqual(warnings);
	});

	it("the default of which there is nothing to say", () => {
		expect(findWarnings(parsePolicy([]), known)).toEqual([]);
	});

	it("a default disposable that is none, and no names where the configuration can't be read", () => {
		const text = `exec * @host @dispvm deny\nexec * @host gone deny\n${all}`;
		expect(warningsOf(text, { names: ["gone"], defaultBase: null })).toEqual([
			"1 no vm is configured as disposable, so that @dispvm is none",
		]);
		expect(warningsOf(text, null)).toEqual([]);
	});

	it("never a line that decides something", () => {
		fc.assert(
			fc.property(fc.array(anyRule, { maxLength: 12 }), anyQuestion, (list, question) => {
				const rules = placed(list);
				const shadowed = findShadowedRules(rules, "disp").map(({ at }) => at.line);
				expect(shadowed).not.toContain(findRule(rules, question, names)?.at?.line);
			}),
			{ numRuns: 2000 },
		);
	});

	it("within a second among as many lines as a policy may have", () => {
		const rules = placed(
			Array.from({ length: 100_000 }, () => fc.sample(anyRule, { numRuns: 1, seed: 1 })[0]).filter(
				(rule) => rule !== undefined,
			),
		);
		expect(findShadowedRules(rules, "disp")).toHaveLength(99_999);
	});
});
