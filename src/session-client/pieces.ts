/** Bytes that wait, in order, in memory of about their own size: a guest may send them one by one. */

/** What is smaller is copied together with its neighbours; larger pieces are kept as they are. */
const smallBytes = 4096;
const blockBytes = 64 * 1024;

export class Pieces {
	readonly #pieces: Buffer[] = [];
	/** The last piece is the beginning of this one, which has room left. */
	#block: Buffer | undefined;
	#filled = 0;

	add(bytes: Buffer): void {
		if (bytes.length >= smallBytes) {
			this.#block = undefined;
			this.#pieces.push(bytes);
			return;
		}
		if (this.#block === undefined || this.#filled + bytes.length > blockBytes) {
			this.#block = Buffer.allocUnsafeSlow(blockBytes);
			this.#filled = 0;
			this.#pieces.push(this.#block);
		}
		bytes.copy(this.#block, this.#filled);
		this.#filled += bytes.length;
		this.#pieces[this.#pieces.length - 1] = this.#block.subarray(0, this.#filled);
	}

	/** The oldest piece, or undefined where there is none. */
	take(): Buffer | undefined {
		const piece = this.#pieces.shift();
		if (this.#pieces.length === 0) this.#block = undefined;
		return piece;
	}
}
