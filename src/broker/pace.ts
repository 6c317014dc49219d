/** How often something may be done: so often at once, and then once in each span. Pure. */
export interface PaceOptions {
	readonly atOnce: number;
	readonly everyMs: number;
	readonly now: () => number;
}

export class Pace {
	readonly #options: PaceOptions;
	#spent = 0;
	#lookedAt: number;

	constructor(options: PaceOptions) {
		this.#options = options;
		this.#lookedAt = options.now();
	}

	/** Not now: it has been done as often as it may. */
	get isSpent(): boolean {
		const { atOnce, everyMs, now } = this.#options;
		const at = now();
		this.#spent = Math.max(0, this.#spent - (at - this.#lookedAt) / everyMs);
		this.#lookedAt = at;
		return this.#spent > atOnce - 1;
	}

	/** It is done, whether or not it may. */
	spend(): void {
		this.#spent = Math.min(this.#spent + 1, this.#options.atOnce);
	}
}
