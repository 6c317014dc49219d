import { expect, it } from "vitest";
import { TerminalModes } from "../../src/terminal/terminal-modes.ts";

const after = (...chunks: string[]): string => {
	const modes = new TerminalModes();
	for (const chunk of chunks) modes.saw(Buffer.from(chunk));
	return modes.restore();
};

it("says nothing to a terminal that saw no escape sequence", () => {
	expect(after("hello\r\n", "ünï")).toBe("");
});

it("only takes colours back where nothing was switched", () => {
	expect(after("\x1b[31mred")).toBe("\x1b[m");
});

it("leaves the alternate screen, shows the cursor and ends mouse reports where a program did not", () => {
	expect(after("\x1b[?1049h\x1b[?25l", "text", "\x1b[?1002;1006h")).toBe(
		"\x1b[?1049l\x1b[?25h\x1b[?1002l\x1b[?1006l\x1b[m",
	);
});

it("does not touch what a program has switched back: leaving a screen that is not there moves the cursor", () => {
	expect(after("\x1b[?1049h\x1b[?25l\x1b[?2004h", "\x1b[?2004l\x1b[?25h\x1b[?1049l")).toBe("\x1b[m");
});

it("says it once", () => {
	const modes = new TerminalModes();
	modes.saw(Buffer.from("\x1b[?25l"));
	expect(modes.restore()).toBe("\x1b[?25h\x1b[m");
	expect(modes.restore()).toBe("");
});

it("puts back what has no mode: line drawing, the keypad, inserting, a scroll region", () => {
	expect(after("\x1b(0lqk", "\x1b=", "\x1b[4h", "\x1b[5;10r")).toBe(
		"\x0f\x1b(B\x1b)B\x1b>\x1b[4l\x1b7\x1b[r\x1b8\x1b[m",
	);
	expect(after("\x0eqqq")).toBe("\x0f\x1b(B\x1b)B\x1b[m");
});

it("sees a sequence that comes in two pieces, as it may without a filter", () => {
	for (const cut of [1, 2, 3, 5]) {
		const sequence = "\x1b[?1049h";
		expect(after(`text${sequence.slice(0, cut)}`, sequence.slice(cut))).toBe("\x1b[?1049l\x1b[m");
	}
});
