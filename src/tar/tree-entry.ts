/** One file, directory or symbolic link of a tree on its way, and what holds for each of them at both ends. */
import { QubesLiteError } from "../errors.ts";

interface Common {
	/** Names from the root of its tree down; the root's own name is the first. */
	readonly path: readonly string[];
	/** rwx of user, group and others: nothing of set-user-ID and the like. */
	readonly mode: number;
	/** Of the last change, in seconds since 1970. */
	readonly mtimeS: number;
}

export type TreeEntry = Common &
	(
		| { readonly kind: "file"; readonly bytes: number }
		| { readonly kind: "directory" }
		| { readonly kind: "link"; readonly target: string }
	);

/** NAME_MAX of all file systems that matter. */
const nameMaxBytes = 255;
/** Each directory above is open while something in it is written; a process has 1024 descriptors at least. */
export const depthMax = 128;
/** PATH_MAX of Linux, which a link's target can't exceed either. */
export const targetMaxBytes = 4095;
/** What a home has, ten times. */
export const entriesMax = 1_000_000;

/** The root of a tree whose name nobody asked for: a home, or `dir/.`. */
export const namelessRoot = ".";

/** Why it can't be the name of something in a tree; undefined: it can. Both ends ask. */
export function findNameFault(name: string): string | undefined {
	if (name === "" || name === "." || name === "..") return "is no name";
	if (name.includes("/")) return "has a slash in it";
	if (/\p{Cc}/u.test(name)) return "has a control character in it";
	if (byteLength(name) > nameMaxBytes) return `is longer than ${nameMaxBytes} bytes`;
	return undefined;
}

/**
 * Whether a link that lies `depth` directories below its tree's root (0: in the root itself) leads to something in that tree, whatever other links there are:
 * `..` counts only at its beginning, since behind a name it may begin at the end of another link.
 */
export function staysInside(target: string, depth: number): boolean {
	if (target.startsWith("/") || target === "") return false;
	const names = target.split("/").filter((name) => name !== "" && name !== ".");
	const up = names.findIndex((name) => name !== "..");
	const ups = up < 0 ? names.length : up;
	return ups <= depth && !names.slice(ups).includes("..");
}

export const byteLength = (text: string): number => new TextEncoder().encode(text).length;

export const malformed = (what: string): QubesLiteError =>
	new QubesLiteError("BadRequest", `what came is no archive of ours: ${what}`);
