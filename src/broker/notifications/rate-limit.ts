/** How many notifications a person is shown, whatever happens: one that is brought up to date does not count. */

/** Of one vm and kind. */
const againAfterMs = 10_000;
const minuteMs = 60_000;
/** Of all, in a minute. */
export const perMinute = 12;

export class RateLimit {
	/** When each was shown, in the last minute. */
	#shown: number[] = [];
	readonly #last = new Map<string, number>();

	/** Whether one of `kind` about `vm` may be shown at `now`, of at most `most` in a minute; if so, it counts. */
	admit(vm: string, kind: string, now: number, most = perMinute): "admitted" | "again" | "full" {
		const key = `${vm} ${kind}`;
		this.#forget(now);
		if (this.#last.has(key)) return "again";
		if (!this.admitAny(now, most)) return "full";
		this.#last.set(key, now);
		return "admitted";
	}

	/** The same for one that may come again at any time. */
	admitAny(now: number, most = perMinute): boolean {
		this.#forget(now);
		if (this.#shown.length >= most) return false;
		this.#shown.push(now);
		return true;
	}

	#forget(now: number): void {
		this.#shown = this.#shown.filter((at) => now - at < minuteMs);
		for (const [key, at] of this.#last) if (now - at >= againAfterMs) this.#last.delete(key);
	}
}
