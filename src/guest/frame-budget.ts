/** Throttles a guest that talks too much, by not reading: its writes then wait in its own memory. */
import type { Socket } from "node:net";

/** A real agent sends two or three frames for each session; no desktop starts eighty programs a second for long. */
const framesPerSecond = 256;

export class FrameBudget {
	readonly #socket: Socket;
	#left = framesPerSecond;
	#timer: NodeJS.Timeout | undefined;

	constructor(socket: Socket) {
		this.#socket = socket;
	}

	spend(frames: number): void {
		this.#left -= frames;
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
		this.#left = Math.min(framesPerSecond, this.#left + framesPerSecond);
		if (!wasOver) return;
		if (this.#left > 0) this.#socket.resume();
		else this.#timer = setTimeout(() => this.#renew(), 1000);
	}
}
