/** What ends later than it began: supervisors, guests and clients act when their turn comes, in whatever order a test gives. */
import type fc from "fast-check";

export interface Turns {
	/** Resolves when its turn has come. */
	wait(what: string): Promise<void>;
	/** How many wait. */
	readonly count: number;
	/** One of them has its turn. */
	next(): Promise<void>;
}

/** fast-check gives the order. */
export class ScheduledTurns implements Turns {
	readonly #scheduler: fc.Scheduler;

	constructor(scheduler: fc.Scheduler) {
		this.#scheduler = scheduler;
	}

	wait(what: string): Promise<void> {
		return this.#scheduler.schedule(Promise.resolve(), what);
	}

	get count(): number {
		return this.#scheduler.count();
	}

	next(): Promise<void> {
		return this.#scheduler.waitOne();
	}
}

/** The test gives the order: by names, else who came first. */
export class NamedTurns implements Turns {
	#waiting: { readonly what: string; readonly go: () => void }[] = [];

	wait(what: string): Promise<void> {
		return new Promise((go) => this.#waiting.push({ what, go }));
	}

	get count(): number {
		return this.#waiting.length;
	}

	/** What waits. */
	get names(): string[] {
		return this.#waiting.map(({ what }) => what);
	}

	/** `what`: whose turn it is. */
	async next(what?: string): Promise<void> {
		await drained();
		const found = this.#waiting.find((one) => what === undefined || one.what === what);
		if (found === undefined) throw new Error(`${what} does not wait: ${this.names.join(", ")}`);
		this.#waiting = this.#waiting.filter((one) => one !== found);
		found.go();
		await drained();
	}
}

/** Resolves when nothing goes on by itself any more. */
export const drained = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A broker that has been killed is told nothing any more. */
export class BrokerLife {
	isOver = false;

	/** `work`, or never. */
	only<T>(work: Promise<T>): Promise<T> {
		return new Promise((resolve, reject) => {
			work.then(
				(value) => this.isOver || resolve(value),
				(cause) => this.isOver || reject(cause),
			);
		});
	}
}
