import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePolicy } from "../../src/policy/parse-policy.ts";
import { formatProblemPlace } from "../../src/policy/problem.ts";
import { formatOpenUrl, formatRule, services } from "../../src/policy/rule.ts";
import { anyOpenUrl, anyRule } from "./arbitraries.ts";

const parse = (...texts: (string | Uint8Array)[]) =>
	parsePolicy(texts.map((text, index) => ({ path: `/${index + 1}.policy`, bytes: Buffer.from(text as string) })));
const problemsOf = (text: string | Uint8Array): string[] =>
	parse(text).problems.map((problem) => `${formatProblemPlace(problem)} ${problem.sentence}`);

describe("a policy", () => {
	it("without a file is the built-in default", () => {
		const { rules, problems } = parsePolicy([]);
		expect(rules.map(formatRule)).toEqual(["* * @host @anyvm allow"]);
		expect(rules[0]?.at).toBeNull();
		expect(problems).toEqual([]);
	});

	it("with a file that says nothing has no rule at all, and neither has one whose files could not be read", () => {
		expect(parse("").rules).toEqual([]);
		expect(parse("# nothing\n\n \t\n").rules).toEqual([]);
		expect(parsePolicy([], [{ file: "/x", line: null, sentence: "is odd" }]).rules).toEqual([]);
	});

	it("has the lines of its files in their order, with where they stand", () => {
		const { rules, openUrls, files } = parse(
			"# mine\n\n  exec +firefox\t@host shopping allow # why not\nopen-url *.Bank.Example banking\n",
			"\ufeff* * @host @anyvm deny",
		);
		expect(files).toEqual(["/1.policy", "/2.policy"]);
		expect(rules).toEqual([
			{
				at: { file: "/1.policy", line: 3, text: "exec +firefox\t@host shopping allow # why not" },
				...{ service: "exec", argument: "firefox", source: "@host", target: "shopping", action: "allow" },
			},
			{
				at: { file: "/2.policy", line: 1, text: "* * @host @anyvm deny" },
				...{ service: "*", argument: null, source: "@host", target: "@anyvm", action: "deny" },
			},
		]);
		expect(openUrls).toEqual([
			{
				at: { file: "/1.policy", line: 4, text: "open-url *.Bank.Example banking" },
				...{ host: "*.bank.example", target: "banking" },
			},
		]);
	});

	it("has a # within a word for a part of it", () => {
		expect(parse("exec +c# @host shopping allow#\n").problems).toHaveLength(1);
		expect(parse("exec +c# @host shopping allow #\n").rules[0]?.argument).toBe("c#");
	});
});

const listed = services.join(", ");
const vmName = "a vm's name (1 to 12 characters of a-z, 0-9 and '-', the first a letter)";

describe("a bad line is named with what it says and what was expected:", () => {
	it.each([
		["exce * @host shopping allow", `SERVICE is 'exce'; expected one of *, ${listed}; did you mean 'exec'?`],
		["exec firefox @host shopping allow", "ARGUMENT is 'firefox'; expected * or + and a word"],
		["exec + @host shopping allow", "ARGUMENT is '+'; expected * or + and a word"],
		[
			"set +memroy @host shopping allow",
			"ARGUMENT is '+memroy'; expected one of *, +idleTimeout, +idleAction, +pauseTimeout, +maxLifetime, +memory; did you mean '+memory'?",
		],
		["open +HTTPS @host work allow", "ARGUMENT is '+HTTPS'; expected * or + and a URI's scheme in lower case (+https)"],
		["exec * @hots work allow", `SOURCE is '@hots'; expected @host, @anyvm or ${vmName}; did you mean '@host'?`],
		["exec * @dispvm work allow", `SOURCE is '@dispvm'; expected @host, @anyvm or ${vmName}`],
		[
			"exec * disp-1a2b work allow",
			"SOURCE is 'disp-1a2b', an instance, which has this name only while it runs; expected @anyvm",
		],
		["exec * @host Work allow", `TARGET is 'Work'; expected @anyvm, @dispvm, @dispvm:BASE or ${vmName}`],
		["exec * @host @host allow", `TARGET is '@host'; expected @anyvm, @dispvm, @dispvm:BASE or ${vmName}`],
		[
			"exec * @host @dispvm: allow",
			`TARGET is '@dispvm:'; expected @anyvm, @dispvm, @dispvm:BASE or ${vmName}; did you mean '@dispvm'?`,
		],
		[
			"exec * @host @dispvm:disp-00ff allow",
			"TARGET is '@dispvm:disp-00ff', an instance, which has this name only while it runs; expected @dispvm or @dispvm:BASE",
		],
		["exec * @host ../x allow", `TARGET is '../x'; expected @anyvm, @dispvm, @dispvm:BASE or ${vmName}`],
		["exec * @host work Allow", "ACTION is 'Allow'; expected allow or deny; did you mean 'allow'?"],
		["exec * @host work ask", "ACTION is 'ask'; expected allow or deny"],
		["exec * @host work", "is 'exec * @host work'; expected SERVICE ARGUMENT SOURCE TARGET ACTION"],
		["exec * @host work allow now", "is 'exec * @host work allow now'; expected SERVICE ARGUMENT SOURCE TARGET ACTION"],
		["open-url * @host work allow", "is 'open-url * @host work allow'; expected open-url HOSTPATTERN TARGET"],
		["open-url *.bank.example @anyvm", `TARGET is '@anyvm'; expected @dispvm, ask, @dispvm:BASE or ${vmName}`],
		[
			"open-url bank.* work",
			"HOSTPATTERN is 'bank.*'; expected *, a host (bank.example), or *. and a host (*.bank.example)",
		],
		["open-url *.bücher.example work", "HOSTPATTERN is '*.b\\u{fc}cher.example'; expected *.xn--bcher-kva.example"],
		["exec * @host work allow\r", "has the invisible character '\\u{d}'; expected text, blanks and tabs"],
		["# x\u2028* * @host @anyvm deny", "has the invisible character '\\u{2028}'; expected text, blanks and tabs"],
		["# \u202e* *", "has the invisible character '\\u{202e}'; expected text, blanks and tabs"],
		["\0", "has the invisible character '\\u{0}'; expected text, blanks and tabs"],
		["\u00a0", "is '\\u{a0}'; expected SERVICE ARGUMENT SOURCE TARGET ACTION"],
		[
			"exec\u00a0* @host work allow",
			"is 'exec\\u{a0}* @host work allow'; expected SERVICE ARGUMENT SOURCE TARGET ACTION",
		],
		[`# ${"x".repeat(1023)}`, "has 1025 characters; expected at most 1024"],
	])("%j", (line, sentence) => {
		expect(problemsOf(`# first\n${line}\n`)).toEqual([`/1.policy:2 ${sentence}`]);
	});

	it("all at once, over all files, and each word of a line by itself", () => {
		const { problems } = parse(
			"x * @host work allow\n\nexec * @host work allow\nexec * me Work no",
			"open-url * Ask\n",
		);
		expect(problems.map(formatProblemPlace)).toEqual(["/1.policy:1", "/1.policy:4", "/1.policy:4", "/2.policy:1"]);
	});

	it("bytes that are not UTF-8, also behind good lines and before them", () => {
		const bytes = Buffer.concat([Buffer.from("* * @host work allow\n# "), Buffer.from([0xff]), Buffer.from("\nx")]);
		expect(problemsOf(bytes).map((problem) => problem.slice(0, 32))).toEqual([
			"/1.policy:2 is not UTF-8; expect",
			"/1.policy:3 is 'x'; expected SER",
		]);
	});

	it("a thousand of them, over all files; then it is said that there may be more", () => {
		const { problems } = parse("x\n".repeat(600), "x\n".repeat(32_000), "x\n");
		expect(problems).toHaveLength(1001);
		const sentence = "has one more mistake, and so may all behind it; expected at most 1000";
		expect(problems.at(-1)).toEqual({ file: "/2.policy", line: 401, sentence });
	});
});

const anyLine = fc.oneof(
	anyRule.map(formatRule),
	anyOpenUrl.map(formatOpenUrl),
	fc.constantFrom("", "# * * @host @anyvm allow", "\t # x"),
);

describe("in every policy", () => {
	it("what is formatted is read as it was", () => {
		fc.assert(
			fc.property(anyRule, anyOpenUrl, (rule, openUrl) => {
				const { rules, openUrls, problems } = parse(`${formatRule(rule)}\n${formatOpenUrl(openUrl)}`);
				expect(problems).toEqual([]);
				expect(rules).toMatchObject([rule]);
				expect(openUrls).toMatchObject([openUrl]);
			}),
		);
	});

	it("a bad line is found wherever it stands, and nothing else is called bad", () => {
		const bad = fc.constantFrom("x", "* * * * *", "exec * @host work", "open-url", "open-url work *", "\u202a", "a\rb");
		fc.assert(
			fc.property(fc.array(anyLine), fc.nat(), bad, (lines, where, line) => {
				expect(problemsOf(lines.join("\n"))).toEqual([]);
				const at = where % (lines.length + 1);
				const { problems } = parse(lines.toSpliced(at, 0, line).join("\n"));
				expect(new Set(problems.map((problem) => problem.line))).toEqual(new Set([at + 1]));
			}),
		);
	});
});

describe("hostile bytes", () => {
	const word = fc.oneof(
		fc.constantFrom(
			"exec",
			"*",
			"@host",
			"@anyvm",
			"allow",
			"deny",
			"open-url",
			"+",
			"+x",
			"@dispvm:",
			"#",
			"*.",
			"[::1]",
		),
		fc.string({ unit: "binary", maxLength: 12 }),
	);
	const text = fc
		.array(fc.tuple(word, fc.constantFrom(" ", "\t", "\n", "\r\n", "", "\0", "\u2028")), { maxLength: 40 })
		.map((words) => Buffer.from(words.flat().join("")));
	const bytes = fc.oneof(text, fc.uint8Array({ maxLength: 300 }), fc.tuple(text, fc.uint8Array()).map(Buffer.concat));

	it("become lines or problems, one or the other, and nothing is thrown", () => {
		fc.assert(
			fc.property(bytes, (input) => {
				const { rules, openUrls, problems } = parse(input);
				const lines = Buffer.from(input).toString("latin1").split("\n");
				const good = [...rules, ...openUrls].map(({ at }) => at?.line ?? 0);
				const badLines = problems.map(({ line }) => line ?? 0);
				expect(good.filter((line) => badLines.includes(line))).toEqual([]);
				expect(new Set(good).size).toBe(good.length);
				for (const [index, line] of lines.entries()) {
					const isEmpty = /^(\xef\xbb\xbf)?[ \t]*(#|$)/.test(line);
					if (!isEmpty) expect([...good, ...badLines]).toContain(index + 1);
				}
				for (const { sentence } of problems) {
					expect(sentence).toMatch(/; expected /);
					expect(sentence).toMatch(/^[\x20-\x7e]*$/);
				}
			}),
			{ numRuns: 3000 },
		);
	});
});
