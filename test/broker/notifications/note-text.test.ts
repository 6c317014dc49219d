import fc from "fast-check";
import { expect, it } from "vitest";
import { toBody, toSummary } from "../../../src/broker/notifications/note-text.ts";

const hostile = 'qemu: <b>&\u202e\x1b[2J\x1b]0;x\x07 <a href="file:///etc">click</a>\r\nYour bank: call 555';

it("a guest's words are one line, without control characters, and escaped for a server that reads markup", () => {
	expect(toBody([hostile, "qubes-lite logs shopping"], true)).toBe(
		'qemu: &lt;b&gt;&amp;\uFFFD\uFFFD[2J\uFFFD]0;x\uFFFD &lt;a href="file:///etc"&gt;click&lt;/a&gt; Your bank: call 555\nqubes-lite logs shopping',
	);
});

it("a server that reads none would show entities as they are written, and gets characters that look alike", () => {
	expect(toBody(["a <b> & c"], false)).toBe("a \u2039b\u203A \uFF06 c");
	expect(toSummary("a <b> & c\nd")).toBe("a \u2039b\u203A \uFF06 c d");
});

it("a long reason is cut, and leaves room for what helps", () => {
	const body = toBody(["x".repeat(10_000), "qubes-lite logs shopping"], true);
	expect(body).toBe(`${"x".repeat(199)}…\nqubes-lite logs shopping`);
	expect(toBody(["y".repeat(200), "z".repeat(200)], true)).toBe(`${"y".repeat(200)}\n${"z".repeat(98)}…`);
	expect(toBody(["", " \n", "a"], true)).toBe("a");
});

it("it is cut between characters", () => {
	expect(toSummary("😀".repeat(250))).toBe(`${"😀".repeat(199)}…`);
});

/** Text as a guest might send it: what matters to a terminal, to markup, to a line, more often than chance has it. */
const guestWords = fc
	.array(
		fc.oneof(
			fc.string({ unit: "binary", maxLength: 20 }),
			fc.constantFrom(
				"<b>",
				"</b>",
				"<img src=x>",
				"&amp;",
				"&#60;",
				"&",
				"<",
				">",
				"\x1b[31m",
				"\u202e",
				"\u2028",
				"\n",
				"\r",
				"\0",
			),
			fc.constantFrom("\u200b", "\u00ad", "\ufeff", "\u{e0041}", "\ud800", "a".repeat(150)),
		),
		{ maxLength: 40 },
	)
	.map((parts) => parts.join(""));

const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const unescaped = (text: string): string =>
	text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

it("no words of a guest's become markup, a control character or a line of their own, and none are more than 300", () => {
	fc.assert(
		fc.property(fc.array(guestWords, { minLength: 1, maxLength: 4 }), (lines) => {
			const body = toBody(lines, true);
			expect(body.replaceAll(/&(?:lt|gt|amp);/g, "")).not.toMatch(/[<>&]/);
			const plain = toBody(lines, false);
			for (const text of [plain, toSummary(lines.join("\n"))]) expect(text).not.toMatch(/[<>&]/);
			for (const text of [body, plain]) {
				expect(text.split("\n").length).toBeLessThanOrEqual(lines.length);
				expect(text.replaceAll("\n", "")).not.toMatch(invisible);
				expect([...unescaped(text)].length).toBeLessThanOrEqual(300);
			}
			expect(toSummary(lines.join("\n"))).not.toMatch(invisible);
		}),
	);
});
