/**
 * What a program has switched on a terminal and not back: one that is killed, or whose vm is, leaves the alternate
 * screen, a hidden cursor or mouse reports behind, and the user with them. Watches what reaches the terminal.
 */

/** DECSET modes (xterm, ctlseqs: "CSI ? Pm h") that a program may leave switched, with how they are normally. */
const normally: ReadonlyMap<number, "h" | "l"> = new Map([
	...[7, 25].map((mode) => [mode, "h"] as const),
	...[1, 5, 6, 12, 9, 47, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1047, 1049, 2004].map(
		(mode) => [mode, "l"] as const,
	),
]);

const switching = /\x1b\[\?([0-9;]*)([hl])/g;

/** What else stays behind, and what puts it right. A scroll region's end moves the cursor, so that is kept meanwhile. */
const leftovers: readonly { readonly seen: RegExp; readonly restored: string }[] = [
	{ seen: /\x1b[()]0|\x0e/, restored: "\x0f\x1b(B\x1b)B" }, // SCS, SO: line drawing
	{ seen: /\x1b=/, restored: "\x1b>" }, // DECKPAM
	{ seen: /\x1b\[[0-9;]*h/, restored: "\x1b[4l" }, // SM, of which only IRM passes
	{ seen: /\x1b\[[0-9;]*r/, restored: "\x1b7\x1b[r\x1b8" }, // DECSTBM
];

/** A sequence that has begun: only without the filter is one cut in the middle. No longer one switches anything here. */
const begun = /\x1b(?:[()]|\[\??[0-9;]{0,60})?$/;
const esc = 0x1b;
const shiftOut = 0x0e;

export class TerminalModes {
	readonly #switched = new Map<number, "h" | "l">();
	readonly #left = new Set<string>();
	#sawEscape = false;
	#tail = "";

	/** Chunks may be cut anywhere. */
	saw(chunk: Buffer): void {
		if (this.#tail === "" && !chunk.includes(esc) && !chunk.includes(shiftOut)) return;
		this.#sawEscape = true;
		const text = this.#tail + chunk.toString("latin1");
		for (const [, modes, to] of text.matchAll(switching)) {
			for (const mode of modes?.split(";").map(Number) ?? []) this.#note(mode, to as "h" | "l");
		}
		for (const { seen, restored } of leftovers) if (seen.test(text)) this.#left.add(restored);
		this.#tail = begun.exec(text)?.[0] ?? "";
	}

	#note(mode: number, to: "h" | "l"): void {
		const normal = normally.get(mode);
		if (normal === undefined) return;
		if (to === normal) this.#switched.delete(mode);
		else this.#switched.set(mode, to);
	}

	/** What to write so that the terminal is as it was: "" where nothing was touched. */
	restore(): string {
		const modes = [...this.#switched.keys()].map((mode) => `\x1b[?${mode}${normally.get(mode)}`);
		const attributes = this.#sawEscape ? "\x1b[m" : "";
		const restored = [...modes, ...this.#left, attributes].join("");
		this.#switched.clear();
		this.#left.clear();
		this.#sawEscape = false;
		return restored;
	}
}
