import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideOpenUrl, findRule, type Question } from "../../src/policy/find-rule.ts";
import { parsePolicy } from "../../src/policy/parse-policy.ts";
import { formatRule, services } from "../../src/policy/rule.ts";
import { anyOpenUrl, anyQuestion, anyRule, names, placed } from "./arbitraries.ts";

const parse = (text: string) => parsePolicy([{ path: "/p", bytes: Buffer.from(text) }]);

/** The number of the line of `text` that decides; 0: none. */
function decide(text: string, words: string): number {
	const [source = "", target = "", service, argument] = words.split(" ");
	const question = { source, target, service, argument } as Question;
	return findRule(parse(text).rules, question, names)?.at?.line ?? 0;
}

describe("the rule that decides", () => {
	const text = [
		"exec +firefox @host vault deny",
		"exec * @host vault allow",
		"* * shopping @dispvm allow",
		"* * @anyvm @dispvm:work deny",
		"set +memory @host @anyvm allow",
		"open +https @anyvm work allow",
		"* +firefox @host shopping deny",
		"* * @host @anyvm allow",
	].join("\n");

	it.each([
		["@host vault exec firefox", 1],
		["@host vault exec /usr/bin/firefox", 2],
		["@host vault exec", 2],
		["@host vault stop", 8],
		["@host vault stop firefox", 8],
		["shopping @dispvm exec sh", 3],
		["shopping @dispvm:disp exec sh", 3],
		["shopping disp-0001 exec sh", 3],
		["shopping disp-0002 exec sh", 4],
		["shopping disp exec sh", 0],
		["vault @dispvm exec sh", 0],
		["vault @dispvm:work exec sh", 4],
		["@anyvm @dispvm:work exec sh", 4],
		["@host vault set memory", 5],
		["@host vault set idleTimeout", 8],
		["vault work open HTTPS", 6],
		["vault work open http", 0],
		["vault work open", 0],
		["@host work open https", 8],
		["@host shopping exec firefox", 7],
		["@host shopping stop firefox", 8],
		["@host @anyvm list", 8],
		["@anyvm @anyvm list", 0],
		["@host disp-0002 exec sh", 8],
	])("of '%s' is line %i", (question, line) => {
		expect(decide(text, question)).toBe(line);
	});

	it("is for lists and the broker itself only one that is for anything", () => {
		for (const service of services)
			expect(decide("* * @host vault allow\n* * @host @dispvm allow", `@host @anyvm ${service}`)).toBe(0);
	});

	it("is for an instance of nobody knows what one that denies any disposable, and none that allows only some", () => {
		const some = "* * @host @dispvm:work allow\n* * @host @dispvm allow\n";
		expect(decide(`${some}* * @host @anyvm allow`, "@host disp-00ff exec sh")).toBe(3);
		expect(decide(`${some}* * @host @dispvm:vault deny\n* * @host @anyvm allow`, "@host disp-00ff exec sh")).toBe(3);
		expect(decide("* * @host @dispvm deny\n* * @host @anyvm allow", "@host disp-abcd exec sh")).toBe(1);
	});

	it("is the first one that matches, whatever stands behind it", () => {
		fc.assert(
			fc.property(fc.array(anyRule, { maxLength: 12 }), anyQuestion, (list, question) => {
				const rules = placed(list);
				const first = rules.find((rule) => findRule([rule], question, names) !== undefined);
				expect(findRule(rules, question, names)).toBe(first);
				/** What is written and read again decides the same. */
				const again = findRule(parse(list.map(formatRule).join("\n")).rules, question, names);
				expect(again?.at?.line).toBe(first?.at?.line);
			}),
			{ numRuns: 500 },
		);
	});

	it("of a guest never is one of the host's, nor the other way round", () => {
		fc.assert(
			fc.property(fc.array(anyRule, { maxLength: 12 }), anyQuestion, (list, question) => {
				const rule = findRule(placed(list), question, names);
				if (rule !== undefined) expect(rule.source === "@host").toBe(question.source === "@host");
			}),
		);
	});
});

describe("where a URL is opened", () => {
	const { openUrls } = parse(
		"open-url *.bank.example banking\n* * @host @anyvm deny\nopen-url ads.example ask\nopen-url * @dispvm",
	);

	it.each<[string | null, object | null]>([
		["bank.example", { target: "banking", file: "/p", line: 1 }],
		["www.BANK.example", { target: "banking", file: "/p", line: 1 }],
		["ads.example", { target: "ask", file: "/p", line: 3 }],
		["other.example", { target: "@dispvm", file: "/p", line: 4 }],
		[null, { target: "@dispvm", file: "/p", line: 4 }],
	])("%s", (host, decision) => {
		expect(decideOpenUrl(openUrls, host)).toEqual(decision);
	});

	it("is nowhere where no line matches, and what rules say does not matter", () => {
		expect(decideOpenUrl(openUrls.slice(0, 1), null)).toBeNull();
		expect(decideOpenUrl(openUrls.slice(0, 1), "evilbank.example")).toBeNull();
		expect(decideOpenUrl([], "bank.example")).toBeNull();
	});

	it("is said by the first line that matches", () => {
		const host = fc.constantFrom("bank.example", "a.bank.example", "other", null);
		fc.assert(
			fc.property(fc.array(anyOpenUrl), host, (list, name) => {
				const lines = list.map((one, index) => ({ ...one, at: { file: "/p", line: index + 1, text: "" } }));
				const first = lines.find((line) => decideOpenUrl([line], name) !== null);
				expect(decideOpenUrl(lines, name)?.line).toBe(first?.at.line);
			}),
		);
	});
});
