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
const introducer = Buffer.from("\x1b[?");
const esc = 0x1b;

export class TerminalModes {
	readonly #switched = new Map<number, "h" | "l">();
	#sawEscape = false;

	/** `chunk` holds whole sequences only, as the filter gives them. */
	saw(chunk: Buffer): void {
		if (!chunk.includes(esc)) return;
		this.#sawEscape = true;
		if (!chunk.includes(introducer)) return;
		for (const [, modes, to] of chunk.toString("latin1").matchAll(switching)) {
			for (const mode of modes?.split(";").map(Number) ?? []) this.#note(mode, to as "h" | "l");
		}
	}

	#note(mode: number, to: "h" | "l"): void {
		const normal = normally.get(mode);
		if (normal === undefined) return;
		if (to === normal) this.#switched.delete(mode);
		else this.#switched.set(mode, to);
	}

	/** What to write so that the terminal is as it was: "" where nothing was touched. */
	restore(): string {
		const modes = [...this.#switched.keys()].map((mode) => `\x1b[?${mode}${normally.get(mode)}`).join("");
		this.#switched.clear();
		const attributes = this.#sawEscape ? "\x1b[m" : "";
		this.#sawEscape = false;
		return modes + attributes;
	}
}
