/**
 * What of a file is really in memory. Terminals announce half a gigabyte and use the beginning; pages that nobody has written to or
 * looked at cost nothing.
 */

/** Counted in these steps, in bytes: so that the largest file has a map of 4 KiB. */
const step = 1024 * 1024;

export class Touched {
	#size: number;
	#map: Uint8Array;
	/** In memory, in bytes. */
	bytes = 0;

	constructor(size: number) {
		this.#size = size;
		this.#map = new Uint8Array(Math.ceil(size / step));
	}

	get size(): number {
		return this.#size;
	}

	/** It has become larger. Returns by how much that which is in memory has grown: its last step may have been a short one. */
	grow(size: number): number {
		const before = this.bytes;
		const last = this.#map.length - 1;
		const map = new Uint8Array(Math.ceil(size / step));
		map.set(this.#map);
		if (this.#map[last] === 1) this.bytes += Math.min(step, size - last * step) - (this.#size - last * step);
		this.#map = map;
		this.#size = size;
		return this.bytes - before;
	}

	/** From `start` to `end`, in bytes. Returns by how much it has grown. */
	touch(start: number, end: number): number {
		const before = this.bytes;
		const stop = Math.min(end, this.#size);
		for (let index = Math.floor(start / step); index * step < stop; index++) {
			if (this.#map[index] !== 0) continue;
			this.#map[index] = 1;
			this.bytes += Math.min(step, this.#size - index * step);
		}
		return this.bytes - before;
	}
}
