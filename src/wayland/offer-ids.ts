/** The ids of offers as the guest sees them. libwayland wants the compositor's ids without gaps, and gives none back unless the program destroys it. */
import { firstServerId } from "./objects.ts";

export class OfferIds {
	readonly #free: number[] = [];
	#next = firstServerId;

	take(): number {
		const free = this.#free.pop();
		if (free !== undefined) return free;
		this.#next++;
		return this.#next - 1;
	}

	give(id: number): void {
		this.#free.push(id);
	}
}
