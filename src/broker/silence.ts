/** How long a guest has said nothing. A fleet at rest beats all day: to count anew must cost next to nothing. */
import { heartbeatIntervalMs, heartbeatsMissedMax } from "../protocol/limits.ts";
import type { Clock } from "./clock.ts";

const silenceMs = heartbeatIntervalMs * heartbeatsMissedMax;

export class Silence {
	readonly #clock: Clock;
	readonly #isTooLong: (boot: number) => void;
	#counted: { readonly boot: number; timer: unknown } | undefined;

	/** `isTooLong` is called once for each count that nothing has interrupted. */
	constructor(clock: Clock, isTooLong: (boot: number) => void) {
		this.#clock = clock;
		this.#isTooLong = isTooLong;
	}

	/** Counts from now on, for this boot. */
	count(boot: number): void {
		this.ignore();
		this.#counted = { boot, timer: this.#begin(boot) };
	}

	/** The guest of this boot has said something: where silence is counted, it begins now. */
	heard(boot: number): void {
		if (this.#counted?.boot !== boot) return;
		if (this.#clock.restart !== undefined) this.#clock.restart(this.#counted.timer);
		else this.count(boot);
	}

	/** Nothing is counted until the next count. */
	ignore(): void {
		if (this.#counted !== undefined) this.#clock.clearTimeout(this.#counted.timer);
		this.#counted = undefined;
	}

	#begin(boot: number): unknown {
		return this.#clock.setTimeout(() => {
			this.#counted = undefined;
			this.#isTooLong(boot);
		}, silenceMs);
	}
}
