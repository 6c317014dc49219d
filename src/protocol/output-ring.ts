/** The last bytes of an output that nobody may be reading: grows to its size, then the oldest make room. */
import { outputKeptBytes } from "./limits.ts";

const firstBytes = 4096;

export class OutputRing {
	readonly #most: number;
	#bytes = Buffer.allocUnsafe(firstBytes);
	/** Where the oldest byte is, once the ring is full. */
	#start = 0;
	#length = 0;
	#dropped = 0;

	constructor(most = outputKeptBytes) {
		this.#most = most;
	}

	/** Bytes that were appended and are gone. */
	get dropped(): number {
		return this.#dropped;
	}

	append(bytes: Uint8Array): void {
		const fits = bytes.subarray(Math.max(0, bytes.length - this.#most));
		this.#reserve(Math.min(this.#most, this.#length + fits.length));
		const size = this.#bytes.length;
		const end = (this.#start + this.#length) % size;
		const atEnd = Math.min(fits.length, size - end);
		this.#bytes.set(fits.subarray(0, atEnd), end);
		this.#bytes.set(fits.subarray(atEnd), 0);
		const overwritten = Math.max(0, this.#length + fits.length - size);
		this.#start = (this.#start + overwritten) % size;
		this.#length += fits.length - overwritten;
		this.#dropped += overwritten + bytes.length - fits.length;
	}

	/** A copy of what is there, oldest first. */
	contents(): Buffer {
		const atEnd = this.#bytes.subarray(this.#start, this.#start + this.#length);
		return Buffer.concat([atEnd, this.#bytes.subarray(0, this.#length - atEnd.length)]);
	}

	/** Below its full size a ring begins at 0, so growing is copying. */
	#reserve(wanted: number): void {
		if (wanted <= this.#bytes.length) return;
		const contents = this.contents();
		this.#bytes = Buffer.allocUnsafe(Math.min(this.#most, Math.max(wanted, this.#bytes.length * 2)));
		this.#bytes.set(contents);
		this.#start = 0;
	}
}
