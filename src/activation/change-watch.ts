/** Waits for something that mostly shows in a directory. */
import { type FSWatcher, watch } from "node:fs";

/** How often to look without being told, in ms. */
export interface LookIntervals {
	/** While the kernel reports changes: for what doesn't show in the directory, such as the end of a killed process. */
	readonly watchedMs: number;
	/** While it can't: the directory is gone, or the user's inotify watches are used up. */
	readonly unwatchedMs: number;
}

const defaultIntervals: LookIntervals = { watchedMs: 1000, unwatchedMs: 100 };

/** A glance can be deceived, by a pid that has come round again: so many are believed, 30 s of them. */
const glancesMax = 30;

/**
 * Resolves with the first value other than undefined that `look` returns: it is called at once, at changes in `directory`, and at
 * intervals. A look that throws is repeated: to be out of file descriptors is no news of anything. Never rejects; keeps
 * no event loop alive.
 *
 * `glance` is cheap, and true where a look that no change has asked for is worth it.
 */
export function waitForChange<T>(
	directory: string,
	look: () => T | undefined,
	intervals: LookIntervals = defaultIntervals,
	glance: () => boolean = () => true,
): Promise<T> {
	const value = tryLook(look);
	if (value !== undefined) return Promise.resolve(value);
	return new Promise((resolve) => {
		const watcher = tryWatch(directory, check);
		let glances = 0;
		const stop = every(watcher === undefined ? intervals.unwatchedMs : intervals.watchedMs, () => {
			glances += 1;
			if (watcher === undefined || glances % glancesMax === 0 || glance()) check();
		});
		// What came between the first look and the watch.
		check();

		function check(): void {
			const value = tryLook(look);
			if (value === undefined) return;
			stop();
			watcher?.close();
			resolve(value);
		}
	});
}

interface Round {
	readonly acts: Set<() => void>;
	readonly timer: NodeJS.Timeout;
}

const rounds = new Map<number, Round>();

/** All of one interval act in one turn: to wake up costs more than a glance. Until the returned function is called. */
function every(ms: number, act: () => void): () => void {
	const round = rounds.get(ms) ?? beginRound(ms);
	round.acts.add(act);
	return () => {
		round.acts.delete(act);
		if (round.acts.size > 0 || rounds.get(ms) !== round) return;
		clearInterval(round.timer);
		rounds.delete(ms);
	};
}

function beginRound(ms: number): Round {
	const acts = new Set<() => void>();
	const timer = setInterval(() => {
		for (const act of acts) act();
	}, ms).unref();
	const round = { acts, timer };
	rounds.set(ms, round);
	return round;
}

function tryLook<T>(look: () => T | undefined): T | undefined {
	try {
		return look();
	} catch {
		return undefined;
	}
}

function tryWatch(directory: string, onChange: () => void): FSWatcher | undefined {
	try {
		// A watch that breaks later leaves the interval.
		return watch(directory, { persistent: false }, onChange).on("error", () => undefined);
	} catch {
		return undefined;
	}
}
