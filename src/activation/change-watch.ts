/** Waits for something that mostly shows in a directory. */
import { type FSWatcher, watch } from "node:fs";

/** How often to look without being told, in ms. */
export interface LookIntervals {
	/** While the kernel reports changes: for what doesn't show in the directory, such as the end of a killed process. */
	readonly watchedMs: number;
	/** While it can't: the directory is gone, or the user's inotify watches are used up. */
	readonly unwatchedMs: number;
}

const defaultIntervals: LookIntervals = { watchedMs: 500, unwatchedMs: 100 };

/**
 * Resolves with the first value other than undefined that `look` returns: it is called at once, at changes in `directory`, and at
 * intervals. A look that throws is repeated: to be out of file descriptors is no news of anything. Never rejects; keeps
 * no event loop alive.
 */
export function waitForChange<T>(
	directory: string,
	look: () => T | undefined,
	intervals: LookIntervals = defaultIntervals,
): Promise<T> {
	const value = tryLook(look);
	if (value !== undefined) return Promise.resolve(value);
	return new Promise((resolve) => {
		const watcher = tryWatch(directory, check);
		const timer = setInterval(check, watcher === undefined ? intervals.unwatchedMs : intervals.watchedMs).unref();
		// What came between the first look and the watch.
		check();

		function check(): void {
			const value = tryLook(look);
			if (value === undefined) return;
			clearInterval(timer);
			watcher?.close();
			resolve(value);
		}
	});
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
