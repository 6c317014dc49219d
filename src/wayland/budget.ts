/** What the connections of one vm have together. */
import { GuestFault } from "./faults.ts";
import type { DisplayLimits } from "./limits.ts";

type Shared = "connections" | "toplevels" | "allObjects" | "surfaces" | "fileBytes" | "announcedBytes" | "transfers";

const words: Readonly<Record<Shared, (limit: number) => string>> = {
	connections: (limit) => `it opened more than ${limit} connections`,
	toplevels: (limit) => `it opened more than ${limit} windows`,
	allObjects: (limit) => `its programs have more than ${limit} objects`,
	surfaces: (limit) => `its programs have more than ${limit} surfaces`,
	fileBytes: (limit) => `its windows need more than ${limit} bytes of memory`,
	announcedBytes: (limit) => `its windows announced more than ${limit} bytes of memory`,
	transfers: (limit) => `it pasted more than ${limit} times at once`,
};

export class Budget {
	readonly #limits: DisplayLimits;
	readonly #used: Record<Shared, number> = {
		connections: 0,
		toplevels: 0,
		allObjects: 0,
		surfaces: 0,
		fileBytes: 0,
		announcedBytes: 0,
		transfers: 0,
	};

	constructor(limits: DisplayLimits) {
		this.#limits = limits;
	}

	take(what: Shared, amount = 1): void {
		if (!this.has(what, amount)) throw new GuestFault(words[what](this.#limits[what]), "Limit");
		this.#used[what] += amount;
	}

	/** Whether so much may be taken. */
	has(what: Shared, amount = 1): boolean {
		return this.#used[what] + amount <= this.#limits[what];
	}

	give(what: Shared, amount = 1): void {
		this.#used[what] -= amount;
	}
}
