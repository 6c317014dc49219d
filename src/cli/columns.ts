/** Columns, colour and durations, for what qubes-lite shows to people. */

export interface Look {
	readonly colour: boolean;
	/** Wall clock, ms. */
	readonly now: number;
}

/** `colourOf` gives a cell's SGR code (ECMA-48), or null. Ends with a newline. */
export function formatColumns(
	head: readonly string[],
	rows: readonly (readonly string[])[],
	look: Look,
	colourOf: (row: number, column: number) => string | null = () => null,
): string {
	const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
	const last = head.length - 1;
	const pad = (cell: string, column: number): string => (column === last ? cell : cell.padEnd(widths[column] ?? 0));
	const lines = rows.map((row, index) =>
		row
			.map((cell, column) => {
				const sgr = colourOf(index, column);
				return sgr === null ? pad(cell, column) : paint(pad(cell, column), sgr, look);
			})
			.join("  ")
			.trimEnd(),
	);
	return `${[paint(head.map(pad).join("  "), "1", look), ...lines].join("\n")}\n`;
}

/** "5 s", "3 min", "2 h": what a column has room for. */
export function formatSeconds(ms: number): string {
	const s = Math.max(0, Math.round(ms / 1000));
	if (s < 120) return `${s} s`;
	if (s < 7200) return `${Math.round(s / 60)} min`;
	return s < 172_800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} d`;
}

export const paint = (text: string, sgr: string, look: Look): string =>
	look.colour ? `\x1b[${sgr}m${text}\x1b[0m` : text;
