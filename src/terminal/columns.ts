/** Columns, colour and durations, for what qubes-lite shows to people. */
import { cutToWidth, widthOf } from "./text-width.ts";

export interface Look {
	readonly colour: boolean;
	/** Wall clock, ms. */
	readonly now: number;
	/** Of the terminal, in columns: what is longer is cut there. null: nothing is cut. */
	readonly width: number | null;
}

/** `colourOf` gives a cell's SGR code (ECMA-48), or null. Ends with a newline. */
export function formatColumns(
	head: readonly string[],
	rows: readonly (readonly string[])[],
	look: Look,
	colourOf: (row: number, column: number) => string | null = () => null,
): string {
	const widths = head.map((title, column) =>
		Math.max(widthOf(title), ...rows.map((row) => widthOf(row[column] ?? ""))),
	);
	const lines = [head, ...rows].map((cells, index) => {
		const texts = fitCells(cells, widths, look.width);
		if (index === 0) return paint(texts.join(""), "1", look);
		return texts
			.map((text, column) => {
				const sgr = colourOf(index - 1, column);
				return sgr === null ? text : paint(text, sgr, look);
			})
			.join("")
			.trimEnd();
	});
	return `${lines.join("\n")}\n`;
}

/** The cells of a line with the space between them, as far as there is room for them. */
function fitCells(cells: readonly string[], widths: readonly number[], room: number | null): string[] {
	const last = cells.length - 1;
	const padded = cells.map((cell, column) =>
		column === last ? cell : cell + " ".repeat((widths[column] ?? 0) - widthOf(cell) + 2),
	);
	if (room === null || widthOf(padded.join("").trimEnd()) <= room) return padded;
	let left = room;
	/** One that is cut ends the line. */
	return padded.map((text) => {
		const fits = left > 0 && widthOf(text) < left;
		const shown = fits ? text : cutToWidth(text, left);
		left = fits ? left - widthOf(text) : 0;
		return shown;
	});
}

/** "name        value" for each that has one. */
export function formatFacts(facts: readonly (readonly [string, string | null])[]): string {
	return facts.map(([name, value]) => (value === null ? "" : `  ${name.padEnd(12)}${value}\n`)).join("");
}

/** "14:02" of the same day, else "2026-11-27 14:02", in the local zone. */
export function formatInstant(at: number, now: number): string {
	const [day, time] = localOf(at);
	return day === localOf(now)[0] ? time : `${day} ${time}`;
}

/** "14:02:07", in the local zone. */
export const formatClock = (at: number): string =>
	`${localOf(at)[1]}:${String(new Date(at).getSeconds()).padStart(2, "0")}`;

function localOf(at: number): [day: string, time: string] {
	const date = new Date(at);
	const two = (value: number): string => String(value).padStart(2, "0");
	return [
		`${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
		`${two(date.getHours())}:${two(date.getMinutes())}`,
	];
}

/** "5 s", "3 min", "2 h": what a column has room for. */
export function formatSeconds(ms: number): string {
	const s = Math.max(0, Math.round(ms / 1000));
	if (s < 120) return `${s} s`;
	if (s < 7200) return `${Math.round(s / 60)} min`;
	return s < 172_800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} d`;
}

/** "2.6 s", for what takes some seconds. */
export const formatTenths = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export const paint = (text: string, sgr: string, look: Look): string =>
	look.colour ? `\x1b[${sgr}m${text}\x1b[0m` : text;
