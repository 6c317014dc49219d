import { describe, expect, it } from "vitest";
import { formatColumns } from "../../src/terminal/columns.ts";
import { cutToWidth, widthOf } from "../../src/terminal/text-width.ts";

const plain = { colour: false, now: 0, width: null };
const head = ["NAME", "STATE", "NOTE"];
const rows = [
	["shopping", "idle", "stops in 10 min"],
	["vault", "ready", "kept by 編集器 (session 2)"],
	["disp", "stopped", ""],
];

describe("columns", () => {
	it("are as wide as the widest cell, and the last is not filled up", () => {
		expect(formatColumns(head, rows, plain)).toBe(
			[
				"NAME      STATE    NOTE",
				"shopping  idle     stops in 10 min",
				"vault     ready    kept by 編集器 (session 2)",
				"disp      stopped",
				"",
			].join("\n"),
		);
	});

	it("are cut to the terminal's width with an ellipsis, and only where they are longer", () => {
		expect(formatColumns(head, rows, { ...plain, width: 30 })).toBe(
			[
				"NAME      STATE    NOTE",
				"shopping  idle     stops in 1…",
				"vault     ready    kept by 編…",
				"disp      stopped",
				"",
			].join("\n"),
		);
		expect(formatColumns(head, rows, { ...plain, width: 34 })).toContain("stops in 10 min\n");
		expect(formatColumns(head, rows, { ...plain, width: 9 })).toBe("NAME    …\nshopping…\nvault   …\ndisp    …\n");
	});

	it.each([1, 2, 5, 9, 10, 11, 18, 19, 20, 31, 45, 46])("never take more than %i columns", (width) => {
		const text = formatColumns(head, rows, { ...plain, width });
		for (const line of text.split("\n")) expect(widthOf(line)).toBeLessThanOrEqual(width);
	});

	it("are painted after they have been cut, and each colour ends where it began", () => {
		const text = formatColumns(head, rows, { colour: true, now: 0, width: 12 }, (_, column) =>
			column === 1 ? "32" : null,
		);
		expect(text.split("\n")[1]).toBe("shopping  \x1b[32mi…\x1b[0m");
		expect(text.split("\n")[0]).toBe("\x1b[1mNAME      S…\x1b[0m");
	});
});

describe("a text's width", () => {
	it.each([
		["abc", 3],
		["…→─", 3],
		["編集", 4],
		["🦊", 2],
		["é", 1],
		["", 0],
	])("of %j is %i", (text, width) => {
		expect(widthOf(text)).toBe(width);
	});

	it.each([
		["shopping", 8, "shopping"],
		["shopping", 7, "shoppi…"],
		["🦊🦊", 3, "🦊…"],
		["🦊🦊", 2, "…"],
		["ab", 1, "…"],
		["ab", 0, ""],
	])("%j is cut to %i: %j", (text, width, cut) => {
		expect(cutToWidth(text, width)).toBe(cut);
	});
});
