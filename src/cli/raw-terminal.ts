/** Our own terminal while the guest's is on the other side: every key goes over, and the guest's line ends come as they are. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { ReadStream } from "node:tty";
import type { TerminalSize } from "../protocol/exec.ts";

export class RawTerminal {
	readonly #stdin: ReadStream;

	/** null where standard input is no terminal, or not ours to change. */
	static on(stdin: ReadStream | null): RawTerminal | null {
		return stdin?.isTTY ? new RawTerminal(stdin) : null;
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

	/** After a stop: whoever had the terminal meanwhile may have changed it, and Node does nothing twice in a row. */
	enterAgain(): void {
		this.leave();
		this.enter();
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

/** As the terminal on standard input has it: Node's own knowledge is from the last WINCH, which a stopped program misses. */
export function askTerminalSize(): TerminalSize | null {
	const { stdout } = spawnSync("stty", ["size"], { stdio: ["inherit", "pipe", "ignore"] });
	const [, rows, columns] = /^([1-9]\d*) ([1-9]\d*)\n$/.exec(stdout?.toString() ?? "") ?? [];
	return rows === undefined ? null : { rows: Number(rows), columns: Number(columns) };
}

/**
 * Whether reading from our terminal gives bytes: in the background it would stop us (SIGTTIN), although the command may
 * never read. proc_pid_stat(5): behind the name in brackets come state, parent, process group, session, terminal and the
 * terminal's foreground group.
 */
export function isInForeground(): boolean {
	const stat = readFileSync("/proc/self/stat", "utf8");
	const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	return group === foreground || foreground === "-1";
}
