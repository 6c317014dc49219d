/** Where the command's output goes: as it is into a pipe or file, through the escape filter onto a terminal. */
import type { WriteStream } from "node:tty";
import { createEscapeFilter, type EscapeFilter } from "../terminal/escape-filter.ts";
import { TerminalModes } from "../terminal/terminal-modes.ts";
import type { OutputSink } from "./client-session.ts";
import type { FilterMode } from "./run-arguments.ts";

export class FilteredSink implements OutputSink {
	readonly #stream: WriteStream;
	readonly #asked: FilterMode | null;
	#filter: EscapeFilter | undefined;
	#modes: TerminalModes | undefined;

	/** `asked` null: filtered if it is a terminal. */
	constructor(stream: WriteStream, asked: FilterMode | null) {
		this.#stream = stream;
		this.#asked = asked;
	}

	/** Before the first write. Without a terminal in the guest nobody has a reason to send escape sequences. */
	begin(hasGuestTerminal: boolean): void {
		const mode = this.#asked ?? (this.#stream.isTTY ? "auto" : "off");
		if (mode !== "off") this.#filter = createEscapeFilter(hasGuestTerminal ? mode : "strict");
		if (hasGuestTerminal && this.#stream.isTTY) this.#modes = new TerminalModes();
	}

	write(bytes: Buffer, written: (error?: Error | null) => void): void {
		const passed = this.#filter?.push(bytes) ?? bytes;
		this.#modes?.saw(passed);
		this.#stream.write(passed, written);
	}

	end(): void {
		const rest = this.#filter?.end();
		this.#filter = undefined;
		if (rest !== undefined && rest.length > 0) this.#stream.write(rest);
	}

	/** The terminal is the user's again, as it was. */
	restore(): void {
		this.end();
		const modes = this.#modes?.restore() ?? "";
		if (modes !== "") this.#stream.write(modes);
	}
}
