/** Where the command's output goes: as it is into a pipe or file, through the escape filter onto a terminal. */
import { fstatSync, writeSync } from "node:fs";
import type { WriteStream } from "node:tty";
import type { OutputSink } from "../session-client/session-streams.ts";
import { createEscapeFilter, type EscapeFilter } from "../terminal/escape-filter.ts";
import { TerminalModes } from "../terminal/terminal-modes.ts";
import type { FilterMode } from "./run-arguments.ts";

/** Standard output or standard error. */
type Target = WriteStream & { readonly fd: number };
type Written = (error?: Error | null) => void;

export class FilteredSink implements OutputSink {
	readonly #stream: Target;
	readonly #asked: FilterMode | null;
	#isFile = false;
	#filter: EscapeFilter | undefined;
	#modes: TerminalModes | undefined;
	#hasBegun = false;

	/** `asked` null: filtered if it is a terminal. */
	constructor(stream: Target, asked: FilterMode | null) {
		this.#stream = stream;
		this.#asked = asked;
	}

	/** Before the first write; until then nothing passes. Without a terminal in the guest nobody has a reason to send escape sequences. */
	begin(hasGuestTerminal: boolean): void {
		this.#hasBegun = true;
		this.#isFile = isFile(this.#stream.fd);
		const mode = this.#asked ?? (this.#stream.isTTY ? "auto" : "off");
		if (mode !== "off") this.#filter = createEscapeFilter(hasGuestTerminal ? mode : "strict");
		if (hasGuestTerminal && this.#stream.isTTY) this.#modes = new TerminalModes();
	}

	write(bytes: Buffer, written: Written): void {
		if (!this.#hasBegun) throw new Error("output came before it was known how to show it");
		const passed = this.#filter?.push(bytes) ?? bytes;
		this.#modes?.saw(passed);
		this.#put(passed, written);
	}

	end(written: Written): void {
		const rest = this.#filter?.end();
		if (rest === undefined || rest.length === 0) written();
		else this.#put(rest, written);
	}

	/** The terminal is the user's again, as it was. Idempotent. */
	restore(): void {
		this.end(() => {});
		const modes = this.#modes?.restore() ?? "";
		if (modes !== "") this.#stream.write(modes);
	}

	#put(bytes: Buffer, written: Written): void {
		if (this.#isFile) writeWhole(this.#stream.fd, bytes, written);
		else this.#stream.write(bytes, written);
	}
}

function isFile(fd: number): boolean {
	try {
		return fstatSync(fd).isFile();
	} catch {
		return false;
	}
}

/** Node's own stream for a file takes a short write(2), as a disk that is almost full gives it, for a whole one. */
function writeWhole(fd: number, bytes: Buffer, written: Written): void {
	try {
		for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
	} catch (cause) {
		written(cause as Error);
		return;
	}
	written();
}
