/** Waits for changes in directories, also those that are not there yet, or go away and come back. */
import { type FSWatcher, statSync, watch } from "node:fs";

/** While the kernel reports changes: a look in case it has lost one. */
const watchedMs = 1000;
/** While a directory is not there, or the user's inotify watches are used up. */
const unwatchedMs = 200;
/** Between two looks at least: a guest that writes byte by byte must not cost more than a hundred of them a second. */
const apartMs = 10;

interface Watched {
	readonly watcher: FSWatcher;
	readonly ino: number;
}

export class DirectoryChanges {
	readonly #directories: readonly string[];
	readonly #watched = new Map<string, Watched>();
	#hasChanged = false;
	#wake: (() => void) | undefined;

	constructor(directories: readonly string[]) {
		this.#directories = directories;
		this.#watchAll();
	}

	/**
	 * Resolves when something has changed since the last call, or might have. What changed before the first call counts, so:
	 * make this, look, wait, look again. Also after `withinMs` at most.
	 */
	async next(withinMs = watchedMs): Promise<void> {
		await this.#sleep(apartMs, false);
		const boundMs = this.#watchAll() ? watchedMs : unwatchedMs;
		if (!this.#hasChanged) await this.#sleep(Math.min(boundMs, withinMs), true);
		this.#hasChanged = false;
	}

	/** Also ends a `next` that waits. */
	close(): void {
		for (const { watcher } of this.#watched.values()) watcher.close();
		this.#watched.clear();
		this.wake();
	}

	/** For what does not show in a directory. */
	wake(): void {
		this.#hasChanged = true;
		this.#wake?.();
	}

	#sleep(ms: number, untilChange: boolean): Promise<void> {
		return new Promise((resolve) => {
			const timer = setTimeout(done, ms);
			if (untilChange) this.#wake = done;
			function done(): void {
				clearTimeout(timer);
				resolve();
			}
		});
	}

	/** Whether the kernel reports changes in all of them. */
	#watchAll(): boolean {
		return this.#directories.map((directory) => this.#watch(directory)).every((isWatched) => isWatched);
	}

	#watch(directory: string): boolean {
		const ino = statSync(directory, { throwIfNoEntry: false })?.ino;
		const watched = this.#watched.get(directory);
		if (watched !== undefined && watched.ino === ino) return true;
		watched?.watcher.close();
		this.#watched.delete(directory);
		if (ino === undefined) return false;
		try {
			const watcher = watch(directory, () => this.wake());
			// A watch that breaks leaves the interval.
			watcher.on("error", () => watcher.close());
			this.#watched.set(directory, { watcher, ino });
			this.#hasChanged = true;
			return true;
		} catch {
			return false;
		}
	}
}
