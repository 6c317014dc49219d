/** Notices that something has happened where files are, or may come to be. */
import { type FSWatcher, realpathSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import { isInStore } from "../host/nix-store.ts";

/** An editor's save is several steps: writing beside it, renaming, setting the mode. */
const settleMs = 100;

/**
 * Calls `changed` after something happened in the directories of `places`: there may be nothing new at them. A place whose
 * directory is missing is watched for from the nearest one that is there; one that is a link, also where it leads. Keeps no
 * event loop alive, and lasts as long as the process. Where the kernel has no watch left, nothing is noticed.
 */
export function watchPlaces(places: readonly string[], changed: () => void): void {
	const watchers = new Map<string, FSWatcher>();
	let timer: NodeJS.Timeout | undefined;

	function noticed(): void {
		clearTimeout(timer);
		timer = setTimeout(() => {
			arm();
			changed();
		}, settleMs).unref();
	}

	/** Directories come and go: the watches follow. */
	function arm(): void {
		const wanted = new Set(places.flatMap(directoriesOf));
		for (const [directory, watcher] of watchers) {
			if (wanted.has(directory)) continue;
			watcher.close();
			watchers.delete(directory);
		}
		for (const directory of wanted) {
			if (watchers.has(directory)) continue;
			const drop = (): void => {
				watchers.get(directory)?.close();
				watchers.delete(directory);
			};
			try {
				const watcher = watch(directory, { persistent: false }, (kind, name) => {
					/** The directory itself was removed or moved (inotify(7), IN_DELETE_SELF): this watch is deaf from now on. */
					if (kind === "rename" && name === baseOf(directory)) drop();
					noticed();
				});
				watchers.set(directory, watcher.on("error", drop));
			} catch {}
		}
	}

	arm();
}

const baseOf = (directory: string): string => directory.slice(directory.lastIndexOf("/") + 1);

function directoriesOf(place: string): string[] {
	const near = nearest(dirname(place));
	try {
		const real = dirname(realpathSync(place));
		// What is there never changes, and the directory itself all the time.
		return isInStore(real) ? [near] : [...new Set([near, real])];
	} catch {
		return [near];
	}
}

/** The directory, or the first above it that is there. */
function nearest(directory: string): string {
	for (let candidate = directory; candidate !== "/"; candidate = dirname(candidate)) {
		if (statSync(candidate, { throwIfNoEntry: false })?.isDirectory() === true) return candidate;
	}
	return "/";
}
