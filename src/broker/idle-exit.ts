/** Leaves when nobody needs the broker: armed only when the last client goes and no vm runs, and it looks again before it acts. */
export class IdleExit {
	readonly #delayMs: number;
	readonly #isQuiet: () => boolean;
	readonly #leave: () => void;
	#timer: NodeJS.Timeout | undefined;

	constructor(delayMs: number, isQuiet: () => boolean, leave: () => void) {
		this.#delayMs = delayMs;
		this.#isQuiet = isQuiet;
		this.#leave = leave;
	}

	/** Somebody has asked for something, and may ask for more. */
	prolong(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.look();
	}

	/** Something changed: a client came or went, a vm's state moved. What changes nothing about the quiet does not prolong it. */
	look(): void {
		if (!this.#isQuiet()) {
			clearTimeout(this.#timer);
			this.#timer = undefined;
			return;
		}
		this.#timer ??= setTimeout(() => {
			this.#timer = undefined;
			if (this.#isQuiet()) this.#leave();
		}, this.#delayMs);
	}
}
