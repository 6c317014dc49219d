/** Whose calls wait for their answers: each is a question that waits for a vm, and nobody's keep the others from asking. */
import { BusError } from "./user-bus.ts";

export interface WaitingMost {
	/** Of all callers together. */
	readonly all: number;
	/** Of one: a program waits for less than its vms have sessions. */
	readonly each: number;
}

export class WaitingCallers {
	readonly #most: WaitingMost;
	/** By their unique names. */
	readonly #calls = new Map<string, number>();
	#all = 0;

	constructor(most: WaitingMost) {
		this.#most = most;
	}

	/** Throws LimitsExceeded where one more call of `caller` must not wait. */
	check(caller: string): void {
		const { all, each } = this.#most;
		const own = this.#calls.get(caller) ?? 0;
		if (this.#all < all && own < each) return;
		const sentence = own < each ? `${all} calls wait for their answers already` : `${each} calls of yours wait already`;
		throw new BusError("org.freedesktop.DBus.Error.LimitsExceeded", sentence);
	}

	/** Until the returned function is called: it was answered, or nobody waits for it any more. That may be called twice. */
	begin(caller: string): () => void {
		this.#count(caller, 1);
		let isOver = false;
		return () => {
			if (isOver) return;
			isOver = true;
			this.#count(caller, -1);
		};
	}

	#count(caller: string, by: number): void {
		this.#all += by;
		const own = (this.#calls.get(caller) ?? 0) + by;
		if (own === 0) this.#calls.delete(caller);
		else this.#calls.set(caller, own);
	}
}
