/** Bytes that come in pieces, however small, in memory that grows with them. */
export class ByteSink {
	readonly limit: number;
	#buffer = Buffer.alloc(0);
	#length = 0;

	constructor(limit: number) {
		this.limit = limit;
	}

	/** False, and nothing is kept of `piece`, where it would be more than the limit. */
	add(piece: Buffer): boolean {
		const length = this.#length + piece.length;
		if (length > this.limit) return false;
		if (length > this.#buffer.length) {
			const grown = Buffer.alloc(Math.min(this.limit, Math.max(length, 2 * this.#buffer.length, 4096)));
			this.#buffer.copy(grown, 0, 0, this.#length);
			this.#buffer = grown;
		}
		piece.copy(this.#buffer, this.#length);
		this.#length = length;
		return true;
	}

	bytes(): Buffer {
		return this.#buffer.subarray(0, this.#length);
	}
}
