import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createEscapeFilter } from "../../src/terminal/escape-filter.ts";

type Mode = "strict" | "auto";

/** What is shown of `pieces`, which come one after the other. */
function show(mode: Mode, ...pieces: readonly (string | Uint8Array)[]): Buffer {
	const filter = createEscapeFilter(mode);
	const shown = pieces.map((piece) => Buffer.from(filter.push(typeof piece === "string" ? Buffer.from(piece) : piece)));
	return Buffer.concat([...shown, filter.end()]);
}

const text = (mode: Mode, ...pieces: readonly (string | Uint8Array)[]): string => show(mode, ...pieces).toString();

/** Bytes that look like what terminals meet: sequences and strings, whole and broken, among text and noise. */
const fragments = [
	"\x1b",
	"\x1b[",
	"\x1b]0;",
	"\x1bP",
	"\x1b\\",
	"\x07",
	"\x18",
	"\x9b",
	"é",
	"👩‍🚀",
	"\u202e",
	"\x1b[?1049;5n",
];
const hostile = fc
	.array(
		fc.oneof(
			fc.uint8Array({ maxLength: 12 }),
			fc.constantFrom(...fragments).map((fragment) => Buffer.from(fragment)),
			fc
				.string({ unit: fc.constantFrom(..."0123456789;:?>! $hlmnJKHcqtu\n"), maxLength: 8 })
				.map((word) => Buffer.from(word)),
		),
		{ maxLength: 24 },
	)
	.map((pieces) => Buffer.concat(pieces));

describe.each<Mode>(["strict", "auto"])("%s", (mode) => {
	it("shows the same in whatever pieces it comes", () => {
		fc.assert(
			fc.property(hostile, fc.array(fc.nat({ max: 9 })), (bytes, cuts) => {
				const pieces: Buffer[] = [];
				let from = 0;
				for (const cut of cuts) {
					pieces.push(bytes.subarray(from, from + cut));
					from += cut;
				}
				expect(show(mode, ...pieces, bytes.subarray(from))).toEqual(show(mode, bytes));
			}),
			{ numRuns: 2000 },
		);
	});

	it("shows what it has shown unchanged", () => {
		fc.assert(
			fc.property(hostile, (bytes) => {
				const once = show(mode, bytes);
				expect(show(mode, once)).toEqual(once);
			}),
			{ numRuns: 2000 },
		);
	});

	it.each(["\u034f", "\u115f", "\u3164", "\uffa0", "\u17b4", "\ufe0f", "\u{e0101}"])(
		"shows what nobody sees in a word: %j",
		(hidden) => {
			expect(text(mode, `pay${hidden}pal`)).toBe("pay\uFFFDpal");
		},
	);

	it("leaves emoji, keycaps and ideographs with variations alone, and one variation of each", () => {
		const written = "❤️‍🔥 1️⃣ #️⃣ 葛\u{e0101}";
		for (const cut of [0, 1, 4, 9, 15]) {
			const bytes = Buffer.from(written);
			expect(text(mode, bytes.subarray(0, cut), bytes.subarray(cut))).toBe(written);
		}
		expect(text(mode, "葛\u{e0101}\u{e0102}")).toBe("葛\u{e0101}\uFFFD");
	});

	it("leaves ordinary text alone, without a copy", () => {
		const bytes = Buffer.from("total 4\n\tnaïve – 日本語 👩‍🚀 ok\r\n");
		expect(createEscapeFilter(mode).push(bytes)).toEqual(bytes);
		expect(createEscapeFilter(mode).push(bytes).buffer).toBe(bytes.buffer);
	});

	it("shows what is not UTF-8, 8-bit controls and hidden characters as U+FFFD", () => {
		for (const bad of [[0x9b], [0xc2, 0x9b], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xff]]) {
			expect(show(mode, Buffer.from(["a".charCodeAt(0), ...bad])).toString()).toMatch(/^a\uFFFD+$/);
		}
		expect(text(mode, "a\u202eb\u2066c\u200bd\u2028e")).toBe("a\uFFFDb\uFFFDc\uFFFDd\uFFFDe");
		expect(text(mode, "cut", Buffer.from([0xe2, 0x82]))).toBe("cut\uFFFD");
	});
});

describe("strict", () => {
	it("has no control but tab, newline and carriage return, and only UTF-8", () => {
		fc.assert(
			fc.property(hostile, (bytes) => {
				const shown = show("strict", bytes);
				expect(Buffer.from(shown.toString())).toEqual(shown);
				expect(shown.toString()).not.toMatch(/(?![\t\n\r])[\p{Cc}\p{Co}\p{Zl}\p{Zp}]/u);
			}),
			{ numRuns: 2000 },
		);
	});

	it("shows the case of Qubes, with both bytes marked", () => {
		expect(text("strict", Buffer.from("hello\0world\xff", "latin1"))).toBe("hello\uFFFDworld\uFFFD");
	});

	it("shows a sequence as the characters it is made of", () => {
		expect(text("strict", "\x1b[31mred\x1b]0;t\x07")).toBe("\uFFFD[31mred\uFFFD]0;t\uFFFD");
	});
});

describe("auto", () => {
	it.each([
		["colours", "\x1b[1;38;5;196mred\x1b[38:2::1:2:3mexact\x1b[0m"],
		["an editor's screen", "\x1b[?1049h\x1b[22;1H\x1b[2J\x1b[1;23r\x1b[?25l~\x1b[K\x1b[?25h\x1b[2 q"],
		["line drawing", "\x1b(0lqqk\x1b(B\x1b)0\x0eqq\x0f"],
		["a prompt", "\x1b[?2004h\r\x1b[Kuser@vm:~$ \b\x07"],
		["the mouse and the keypad", "\x1b[?1000;1006h\x1b=\x1b>\x1b7\x1b8\x1bM"],
	])("passes %s", (_, sequence) => {
		expect(text("auto", sequence)).toBe(sequence);
	});

	it.each([
		["a title", "\x1b]0;title\x07"],
		["an icon's title, ended by ST", "\x1b]2;title\x1b\\"],
		["the clipboard", "\x1b]52;c;cm0gLXJm\x07"],
		["a colour's query", "\x1b]11;?\x1b\\"],
		["a hyperlink", "\x1b]8;;http://elsewhere\x1b\\"],
		["DSR", "\x1b[6n"],
		["DEC's DSR", "\x1b[?6n"],
		["DA1 to DA3", "\x1b[c\x1b[>c\x1b[=c"],
		["DECID", "\x1bZ"],
		["DECRQM", "\x1b[?2026$p"],
		["DECREQTPARM", "\x1b[x"],
		["XTVERSION", "\x1b[>q"],
		["window reports", "\x1b[21t\x1b[14t"],
		["DECRQCRA", "\x1b[1;1;1;1;9;9*y"],
		["DECRQSS", '\x1bP$q"p\x1b\\'],
		["XTGETTCAP", "\x1bP+q544e\x1b\\"],
		["a keyboard query", "\x1b[?u"],
		["APC, PM and SOS", "\x1b_G\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\"],
		["an ENQ", "\x05"],
		["printing", "\x1b[5i"],
		["leaving UTF-8", "\x1b%@"],
		["a full reset", "\x1bc"],
		["erasing the scrollback", "\x1b[3J"],
		["tab stops", "\x1bH\x1b[3g"],
		["a control inside a sequence", "\x1b[3\x18"],
	])("drops %s", (_, sequence) => {
		expect(text("auto", `a${sequence}b`)).toBe("ab");
		expect(text("auto", ...[...`a${sequence}b`])).toBe("ab");
	});

	it("takes a mode that must not pass out of those that may", () => {
		expect(text("auto", "\x1b[?1049;3;25h")).toBe("\x1b[?1049;25h");
	});

	it("never shows the beginning of a sequence before its end", () => {
		const filter = createEscapeFilter("auto");
		expect(filter.push(Buffer.from("a\x1b[3")).toString()).toBe("a");
		expect(filter.push(Buffer.from("1mb")).toString()).toBe("\x1b[31mb");
		expect(filter.push(Buffer.from("\x1b[3")).toString()).toBe("");
		expect(filter.end().toString()).toBe("");
	});

	it("has no control sequence that a small reader of its own doesn't know", () => {
		const known =
			/^(?:[^\x00-\x1f\x7f-\x9f]|[\x07-\x0f]|\x1b[78DEM=>]|\x1b[()][B0]|\x1b\[[\d;:]*[A-HJKLMPSTXZ@`abdefmrsuI]|\x1b\[\??[\d;]*[hl]|\x1b\[!p|\x1b\[\d* q)*$/u;
		fc.assert(
			fc.property(hostile, (bytes) => {
				expect(text("auto", bytes)).toMatch(known);
			}),
			{ numRuns: 2000 },
		);
	});

	it("goes on with the text behind a string that never ends", () => {
		const flood = "x".repeat(10 * 1024 * 1024);
		const shown = text("auto", "\x1bP", flood);
		expect(shown.length).toBe(flood.length - 64 * 1024);
		expect(text("auto", "\x1b]0;half a title\nnext line")).toBe("\nnext line");
	});
});
