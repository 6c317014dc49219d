/** Throttles a guest that talks too much, by not reading: its writes then wait in its own memory. */
import type { Socket } from "node:net";

/** A real agent sends four or five frames for each session; no desktop starts fifty programs a second for long. */
const unitsPerSecond = 256;
/** A large frame is more work than a small one: it counts as many. A heartbeat of a busy desktop is smaller. */
const bytesPerUnit = 4096;

export class FrameBudget {
	readonly #socket: Socket;
	#left = unitsPerSecond;
	#timer: NodeJS.Timeout | undefined;

	constructor(socket: Socket) {
		this.#socket = socket;
	}

	/** `bytes` were read, and held `frames` whole frames. */
	spend(frames: number, bytes: number): void {
		this.#left -= Math.max(frames, bytes / bytesPerUnit);
		this.#timer ??= setTimeout(() => this.#renew(), 1000);
		if (this.#left <= 0) this.#socket.pause();
	}

	close(): void {
		clearTimeout(this.#timer);
	}

	/** A debt from one large chunk is worked off before anything more is read. */
	#renew(): void {
		this.#timer = undefined;
		const wasOver = this.#left <= 0;
		this.#left = Math.min(unitsPerSecond, this.#left + unitsPerSecond);
		if (!wasOver) return;
		if (this.#left > 0) this.#socket.resume();
		else this.#timer = setTimeout(() => this.#renew(), 1000);
	}
}
