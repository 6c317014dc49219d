/** What the broker's timers run on: the machines' too. */

export interface Clock {
	setTimeout(act: () => void, ms: number): unknown;
	clearTimeout(timer: unknown): void;
	/** Lets a timer that has not fired begin anew, where that is cheaper than another one. */
	restart?(timer: unknown): void;
}

/** Keeps no process alive. */
export const systemClock: Clock = {
	setTimeout: (act, ms) => setTimeout(act, ms).unref(),
	clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
	restart: (timer) => (timer as NodeJS.Timeout).refresh(),
};

/** Resolves after `ms`. */
export const waitFor = (clock: Clock, ms: number): Promise<void> =>
	new Promise((resolve) => void clock.setTimeout(resolve, ms));
