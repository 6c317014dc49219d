/** Our own terminal while the guest's is on the other side: every key goes over, and the guest's line ends come as they are. */
import { spawnSync } from "node:child_process";
import type { ReadStream } from "node:tty";

export class RawTerminal {
	readonly #stdin: ReadStream;

	/** null where standard input is no terminal, or not ours to change. */
	static on(stdin: ReadStream, isUsed: boolean): RawTerminal | null {
		return isUsed && stdin.isTTY ? new RawTerminal(stdin) : null;
	}

	private constructor(stdin: ReadStream) {
		this.#stdin = stdin;
	}

	/**
	 * Node remembers how it was, and puts that back at its own end, too. Its raw mode still makes a return out of each line
	 * feed (libuv: UV_TTY_MODE_RAW sets ONLCR), which a program in the guest that switched that off means otherwise.
	 */
	enter(): void {
		this.#stdin.setRawMode(true);
		spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
	}

	/** Idempotent. */
	leave(): void {
		try {
			this.#stdin.setRawMode(false);
		} catch {
			// The terminal is gone, and nobody looks at it any more.
		}
	}
}
