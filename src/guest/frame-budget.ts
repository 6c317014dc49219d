/** Throttles a guest that talks too much, by not reading: its writes then wait in its own memory. */

/** A real agent sends four or five frames for each session; no desktop starts fifty programs a second for long. */
const unitsPerSecond = 256;
/** A large frame is more work than a small one: it counts as many. A heartbeat of a busy desktop is smaller. */
const bytesPerUnit = 4096;
/** A connection costs several calls, a timer and perhaps a line of the log. An agent dials five times a second at most. */
const unitsPerConnection = 4;

/** What is throttled: a net.Socket. */
export interface Reader {
	pause(): unknown;
	resume(): unknown;
}

/** What one side of a guest may say, over however many connections: a new one brings no new budget. */
export class FrameBudget {
	readonly #paused = new Set<Reader>();
	#left = unitsPerSecond;
	/** It is renewed then, on the clock of performance.now(). */
	#renewsAt = Number.NEGATIVE_INFINITY;
	/** There is one while somebody waits for it only: a fleet at rest would wake the broker with each heartbeat. */
	#timer: NodeJS.Timeout | undefined;

	/** Charges for a connection; false where nothing is left for one. */
	admit(): boolean {
		this.#renew();
		if (this.#left <= 0) return false;
		this.#left -= unitsPerConnection;
		return true;
	}

	/** `bytes` were read from `reader`, and held `frames` whole frames. */
	spend(reader: Reader, frames: number, bytes: number): void {
		this.#renew();
		this.#left -= Math.max(frames, bytes / bytesPerUnit);
		if (this.#left > 0) return;
		reader.pause();
		this.#paused.add(reader);
		this.#resumeLater();
	}

	/** It has closed. */
	forget(reader: Reader): void {
		this.#paused.delete(reader);
	}

	close(): void {
		clearTimeout(this.#timer);
	}

	/** A debt from one large chunk is worked off before anything more is read. */
	#renew(): void {
		const now = performance.now();
		if (now < this.#renewsAt) return;
		const seconds = Number.isFinite(this.#renewsAt) ? Math.floor((now - this.#renewsAt) / 1000) + 1 : 1;
		this.#left = Math.min(unitsPerSecond, this.#left + seconds * unitsPerSecond);
		this.#renewsAt = now + 1000;
	}

	#resumeLater(): void {
		this.#timer ??= setTimeout(
			() => {
				this.#timer = undefined;
				this.#renew();
				if (this.#left <= 0) {
					this.#resumeLater();
					return;
				}
				for (const reader of this.#paused) reader.resume();
				this.#paused.clear();
			},
			Math.max(1, this.#renewsAt - performance.now()),
		);
	}
}
