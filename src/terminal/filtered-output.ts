/** Puts together what passes of one input: its slices, and what stands for the rest. One slice alone is not copied. */
export class FilteredOutput {
	readonly #input: Buffer;
	/** Up to here the input is dealt with; what follows passes until a `replace` says otherwise. */
	#from = 0;
	#copy: Buffer | undefined;
	#size = 0;

	constructor(input: Buffer) {
		this.#input = input;
	}

	/** Shows `instead` in the place of input[from, to). Calls go forward; gives `to`, where they go on. */
	replace(from: number, to: number, instead: Uint8Array): number {
		this.#append(this.#input, this.#from, from);
		this.#append(instead, 0, instead.length);
		this.#from = to;
		return to;
	}

	/** All of it, up to `to` of the input. It shares memory with the input where nothing had to be put together. */
	finish(to: number): Buffer {
		if (this.#copy === undefined) return this.#input.subarray(this.#from, to);
		this.#append(this.#input, this.#from, to);
		return this.#copy.subarray(0, this.#size);
	}

	#append(bytes: Uint8Array, from: number, to: number): void {
		const length = to - from;
		if (length === 0) return;
		const copy = this.#reserve(length);
		if (length > 32) {
			copy.set(bytes.subarray(from, to), this.#size);
		} else {
			// A call costs more than a few bytes do: binaries are hundreds of thousands of such pieces in a MiB.
			for (let index = 0; index < length; index++) copy[this.#size + index] = bytes[from + index] as number;
		}
		this.#size += length;
	}

	#reserve(length: number): Buffer {
		const needed = this.#size + length;
		if (this.#copy !== undefined && needed <= this.#copy.length) return this.#copy;
		// Room for the input and a few replacements; if it is full of them, twice as much each time.
		const larger = Buffer.allocUnsafe(Math.max(needed, this.#copy ? this.#copy.length * 2 : this.#input.length + 256));
		if (this.#copy !== undefined) larger.set(this.#copy.subarray(0, this.#size));
		this.#copy = larger;
		return larger;
	}
}
