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
	#timer: NodeJS.Timeout | undefined;

	/** Charges for a connection; false where nothing is left for one. */
	admit(): boolean {
		if (this.#left <= 0) return false;
		this.#charge(unitsPerConnection);
		return true;
	}

	/** `bytes` were read from `reader`, and held `frames` whole frames. */
	spend(reader: Reader, frames: number, bytes: number): void {
		this.#charge(Math.max(frames, bytes / bytesPerUnit));
		if (this.#left > 0) return;
		reader.pause();
		this.#paused.add(reader);
	}

	/** It has closed. */
	forget(reader: Reader): void {
		this.#paused.delete(reader);
	}

	close(): void {
		clearTimeout(this.#timer);
	}

	#charge(units: number): void {
		this.#left -= units;
		this.#timer ??= setTimeout(() => this.#renew(), 1000);
	}

	/** A debt from one large chunk is worked off before anything more is read. */
	#renew(): void {
		this.#timer = undefined;
		this.#left = Math.min(unitsPerSecond, this.#left + unitsPerSecond);
		if (this.#left <= 0) {
			this.#timer = setTimeout(() => this.#renew(), 1000);
			return;
		}
		for (const reader of this.#paused) reader.resume();
		this.#paused.clear();
	}
}
