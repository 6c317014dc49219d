/** "Copying a.pdf… 12.3 MiB of 40.0 MiB, 5.1 MiB/s, 6 s left": one line on a terminal's stderr, erased at the end. */
import type { WriteStream } from "node:tty";
import { formatCopying } from "../../copy/copy-words.ts";
import { cutToWidth } from "../../terminal/text-width.ts";

const afterMs = 300;
const everyMs = 200;
/** Return, then erase the line (ECMA-48 EL). */
const erase = "\r\x1b[2K";

export class CopyLine {
	readonly #stream: WriteStream;
	readonly #name: string;
	#beganAt: number | undefined;
	#bytes = 0;
	#total: number | undefined;
	#shown = false;
	#timer: NodeJS.Timeout | undefined;

	/** null where nothing must be shown: a pipe, TERM=dumb, NO_COLOR, or `-q`. `name`: safe text. */
	static on(stream: WriteStream, name: string, quiet: boolean, env: NodeJS.ProcessEnv): CopyLine | null {
		if (quiet || !stream.isTTY || env.TERM === "dumb" || (env.NO_COLOR ?? "") !== "") return null;
		return new CopyLine(stream, name);
	}

	private constructor(stream: WriteStream, name: string) {
		this.#stream = stream;
		this.#name = name;
	}

	/** From now on time counts. */
	begin(): void {
		this.#beganAt ??= performance.now();
		this.#timer ??= setTimeout(() => this.#show(), afterMs);
	}

	expect(total: number): void {
		this.#total = total;
	}

	add(bytes: number): void {
		this.#bytes += bytes;
	}

	/** Leaves no trace on the terminal. Idempotent. */
	end(): void {
		clearTimeout(this.#timer);
		if (this.#shown) this.#stream.write(erase);
		this.#shown = false;
	}

	#show(): void {
		this.#shown = true;
		const elapsedMs = performance.now() - (this.#beganAt ?? 0);
		const text = formatCopying({ name: this.#name, bytes: this.#bytes, total: this.#total, elapsedMs });
		/** The last column stays free: a line that fills it may wrap. */
		this.#stream.write(`${erase}${cutToWidth(text, (this.#stream.columns || 80) - 1)}`);
		this.#timer = setTimeout(() => this.#show(), everyMs);
	}
}
