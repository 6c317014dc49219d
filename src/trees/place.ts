/** Where a copy arrives: the rules of cp(1) and scp(1), but for one: what is there stays, unless it is said that it need not. */
import { closeSync, constants, openSync, statfsSync } from "node:fs";
import { posix } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { namelessRoot } from "../tar/tree-entry.ts";
import { fileError, statBelow } from "./below.ts";

export interface Place {
	/** Opened: in it each root gets its final name. */
	readonly directory: number;
	readonly shown: string;
	/** By root. */
	readonly finals: ReadonlyMap<string, string>;
	/** The user has said that it is one: `dir/`, of which there is none yet. */
	readonly mustBeDirectory: boolean;
	readonly force: boolean;
}

/** Opens a directory by its path. Fails with a system's error, or one of ours that has it as its cause. */
export type OpenDirectory = (path: string) => number | Promise<number>;

/** Whatever links are on its way. */
export const openDirectoryAt: OpenDirectory = (path) => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);

export interface Wanted {
	/** Absolute; as the user has it, with a slash at its end or without. */
	readonly path: string;
	/** What is to come: the roots' names. */
	readonly roots: readonly string[];
	readonly force: boolean;
	readonly open: OpenDirectory;
}

/** To be closed. Rejects where nothing can be put there: several into no directory, or onto what is there. */
export async function openPlace({ path, roots, force, open }: Wanted): Promise<Place> {
	const inside = await tryOpen(path, open);
	if (inside !== undefined)
		return checked({ directory: inside, shown: path, finals: own(roots), mustBeDirectory: false, force });
	const plain = posix.normalize(path).replace(/(?<=.)\/$/, "");
	if (roots.length > 1)
		throw new QubesLiteError("BadRequest", `there is no directory ${path}, and several files need one`);
	const [parent, name] = [posix.dirname(plain), posix.basename(plain)];
	let directory: number;
	try {
		directory = await open(parent);
	} catch (cause) {
		throw fileError(cause, parent);
	}
	const finals = new Map(roots.map((root) => [root, name]));
	return checked({ directory, shown: parent, finals, mustBeDirectory: /\/\.?$/.test(path), force });
}

const own = (roots: readonly string[]): Map<string, string> => new Map(roots.map((root) => [root, root]));

async function tryOpen(path: string, open: OpenDirectory): Promise<number | undefined> {
	try {
		return await open(path);
	} catch (cause) {
		const errno = errnoOf(cause instanceof QubesLiteError ? cause.cause : cause);
		if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
		throw fileError(cause, path);
	}
}

function checked(place: Place): Place {
	try {
		for (const final of place.finals.values()) {
			if (final === namelessRoot) {
				throw new QubesLiteError(
					"BadRequest",
					`what is copied has no name of its own, and ${place.shown} is there already`,
					{
						remedy: "give it a name that is not there yet",
					},
				);
			}
			checkFree(place, final);
		}
		return place;
	} catch (cause) {
		closeSync(place.directory);
		throw fileError(cause, place.shown);
	}
}

function checkFree({ directory, shown, force }: Place, final: string): void {
	if (force || statBelow(directory, final) === undefined) return;
	throw new AlreadyThere(posix.join(shown, final));
}

/** What helps where something is in the way, at either end of a copy. */
export const forceRemedy = "with -f, files are replaced, and directories get what comes beside what they have";

/** A name that is to be given is taken. */
export class AlreadyThere extends QubesLiteError {
	constructor(path: string) {
		super("BadRequest", `${path} is there already`, { remedy: forceRemedy });
	}
}

/** Throws Limit where there is less room than `bytes`. */
export function checkRoom({ directory, shown }: Pick<Place, "directory" | "shown">, bytes: number): void {
	const { bavail, bsize } = statfsSync(`/proc/self/fd/${directory}`);
	if (bavail * bsize >= bytes) return;
	throw new QubesLiteError("Limit", `${shown}: no space is left there for ${bytes} bytes; ${bavail * bsize} are free`);
}
