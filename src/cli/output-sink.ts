/** Where the command's output goes: as it is into a pipe or file, through the escape filter onto a terminal. */
import type { WriteStream } from "node:tty";
import { createEscapeFilter, type EscapeFilter } from "../terminal/escape-filter.ts";
import { TerminalModes } from "../terminal/terminal-modes.ts";
import type { FilterMode } from "./run-arguments.ts";
import type { OutputSink } from "./session-streams.ts";

export class FilteredSink implements OutputSink {
	readonly #stream: WriteStream;
	readonly #asked: FilterMode | null;
	#filter: EscapeFilter | undefined;
	#modes: TerminalModes | undefined;
	#hasBegun = false;

	/** `asked` null: filtered if it is a terminal. */
	constructor(stream: WriteStream, asked: FilterMode | null) {
		this.#stream = stream;
		this.#asked = asked;
	}

	/** Before the first write; until then nothing passes. Without a terminal in the guest nobody has a reason to send escape sequences. */
	begin(hasGuestTerminal: boolean): void {
		this.#hasBegun = true;
		const mode = this.#asked ?? (this.#stream.isTTY ? "auto" : "off");
		if (mode !== "off") this.#filter = createEscapeFilter(hasGuestTerminal ? mode : "strict");
		if (hasGuestTerminal && this.#stream.isTTY) this.#modes = new TerminalModes();
	}

	write(bytes: Buffer, written: (error?: Error | null) => void): void {
		if (!this.#hasBegun) throw new Error("output came before it was known how to show it");
		const passed = this.#filter?.push(bytes) ?? bytes;
		this.#modes?.saw(passed);
		this.#stream.write(passed, written);
	}

	end(): void {
		const rest = this.#filter?.end();
		if (rest !== undefined && rest.length > 0) this.#stream.write(rest);
	}

	/** The terminal is the user's again, as it was. */
	restore(): void {
		this.end();
		const modes = this.#modes?.restore() ?? "";
		if (modes !== "") this.#stream.write(modes);
	}
}
