/** "Starting shopping… kernel 1.4 s": one line on a terminal's stderr, from 300 ms on, erased when the command speaks. */
import type { WriteStream } from "node:tty";

const afterMs = 300;
const everyMs = 100;
/** Return, then erase the line (ECMA-48 EL). */
const erase = "\r\x1b[2K";

/** What a phase means to the one who waits. */
const words: Readonly<Record<string, string>> = {
	stopped: "starting",
	failed: "starting",
	vmm: "kernel",
	init: "init",
	root: "init",
	agent: "agent",
	ready: "reaching its agent",
	shutdown: "waiting for its shutdown to end",
};

export class ProgressLine {
	readonly #stream: WriteStream;
	readonly #vm: string;
	readonly #beganAt = performance.now();
	#phase = "";
	#shown = false;
	#timer: NodeJS.Timeout | undefined;

	/** null where nothing must be shown: a pipe, TERM=dumb, NO_COLOR, or `-q`. */
	static on(stream: WriteStream, vm: string, quiet: boolean, env: NodeJS.ProcessEnv): ProgressLine | null {
		if (quiet || !stream.isTTY || env.TERM === "dumb" || (env.NO_COLOR ?? "") !== "") return null;
		return new ProgressLine(stream, vm);
	}

	private constructor(stream: WriteStream, vm: string) {
		this.#stream = stream;
		this.#vm = vm;
		this.#timer = setTimeout(() => this.#show(), afterMs);
	}

	phase(phase: string): void {
		this.#phase = words[phase] ?? "";
	}

	/** Leaves no trace on the terminal. Idempotent. */
	end(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (this.#shown) this.#stream.write(erase);
		this.#shown = false;
	}

	#show(): void {
		this.#shown = true;
		const seconds = ((performance.now() - this.#beganAt) / 1000).toFixed(1);
		this.#stream.write(`${erase}Starting ${this.#vm}… ${this.#phase} ${seconds} s`);
		this.#timer = setTimeout(() => this.#show(), everyMs);
	}
}
