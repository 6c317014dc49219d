/** What people should know of a vm's display, at a pace at which they can read it: programs try again and again. */
import type { DisplayNotice } from "../protocol/display.ts";

/** The same words are not said again so soon. */
const sameAfterMs = 5_000;
/** Of several at once the first is news. */
const otherAfterMs = 500;

export class Notices {
	readonly #say: (notice: DisplayNotice) => void;
	readonly #now: () => number;
	#last = "";
	#lastAt = Number.NEGATIVE_INFINITY;

	constructor(say: (notice: DisplayNotice) => void, now: () => number = () => performance.now()) {
		this.#say = say;
		this.#now = now;
	}

	/** `isLast`: of the end of all, which comes once, whatever was said before it. */
	tell(notice: DisplayNotice, isLast = false): void {
		const now = this.#now();
		if (!isLast && now - this.#lastAt < (notice.message === this.#last ? sameAfterMs : otherAfterMs)) return;
		this.#last = notice.message;
		this.#lastAt = now;
		this.#say(notice);
	}
}
