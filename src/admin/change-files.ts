/** Several files made, replaced and removed together: all of them, or, where one can't be, none. */
import { isUtf8 } from "node:buffer";
import { link, lstat, mkdir, readFile, readlink, rename, rm, rmdir, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { shellWord } from "../shell-word.ts";

export type Content =
	| { readonly kind: "file"; readonly text: string /** 0o644 if absent. */; readonly mode?: number }
	/** What is not UTF-8, and so no text. */
	| { readonly kind: "bytes"; readonly bytes: Buffer }
	| { readonly kind: "link"; readonly target: string };

export interface Change {
	/** Absolute. */
	readonly path: string;
	/** undefined: it goes. */
	readonly to: Content | undefined;
}

export interface ChangeOptions {
	/** Marks the files that are beside their places meanwhile: where several may work at once, one's own. */
	readonly mark?: string;
	/** Where it is aborted, changeFiles() puts all back, and rejects with its reason. */
	readonly signal?: AbortSignal | undefined;
}

/** What has been changed, until it is kept or undone. */
export interface Changed {
	/** Forgets what was there before. */
	keep(): Promise<void>;
	/** Puts back what was there before, the very files. */
	undo(): Promise<void>;
}

/** Of all but those that may work at once. */
const usualMark = "qubes-lite";

/** What is at `path`; "other": a directory or what else can't be compared; undefined: nothing. */
export async function lookAt(path: string): Promise<Content | "other" | undefined> {
	try {
		const found = await lstat(path);
		if (found.isSymbolicLink()) return { kind: "link", target: await readlink(path) };
		if (!found.isFile()) return "other";
		const bytes = await readFile(path);
		return isUtf8(bytes) ? { kind: "file", text: bytes.toString("utf8") } : { kind: "bytes", bytes };
	} catch (cause) {
		if (errnoOf(cause) === "ENOENT" || errnoOf(cause) === "ENOTDIR") return undefined;
		throw toWriteError(path, "read", cause);
	}
}

export const isSame = (a: Content, b: Content): boolean =>
	(a.kind === "link") === (b.kind === "link") && bytesOf(a).equals(bytesOf(b));

/** What is in the file, or a link's target. */
export function bytesOf(content: Content): Buffer {
	if (content.kind === "bytes") return content.bytes;
	return Buffer.from(content.kind === "file" ? content.text : content.target);
}

/** Those directories above `paths` that are not there, the upper ones first. */
export async function findMissingDirectories(paths: readonly string[]): Promise<string[]> {
	const missing = new Set<string>();
	for (const path of paths) {
		const chain: string[] = [];
		for (let at = dirname(path); at !== dirname(at) && !missing.has(at); at = dirname(at)) {
			if ((await lookAt(at)) !== undefined) break;
			chain.unshift(at);
		}
		for (const directory of chain) missing.add(directory);
	}
	return [...missing];
}

/** Removes those that are empty, the lower ones first. */
export async function removeEmptyDirectories(directories: readonly string[]): Promise<void> {
	for (const directory of [...directories].sort((a, b) => b.length - a.length)) {
		// Not empty, gone, or not ours to remove: it stays as it is.
		await rmdir(directory).catch(() => undefined);
	}
}

/** For a sentence: what lookAt() calls "other". */
export async function describeOther(path: string): Promise<string> {
	const found = await lstat(path);
	if (found.isDirectory()) return "a directory";
	if (found.isFIFO()) return "a FIFO";
	return found.isSocket() ? "a socket" : "a device";
}

/**
 * In the order given. Everything is written beside its place first, so that a full disk or a directory that is closed is met before
 * anything has changed. Rejects with Unsupported, and nothing changed.
 */
export async function changeFiles(
	changes: readonly Change[],
	{ mark = usualMark, signal }: ChangeOptions = {},
): Promise<Changed> {
	const undone: (() => Promise<unknown>)[] = [];
	const undo = async (): Promise<void> => {
		while (undone.length > 0) await undone.pop()?.();
	};
	const step = async (path: string, act: () => Promise<void>): Promise<void> => {
		try {
			signal?.throwIfAborted();
			await act();
		} catch (cause) {
			await undo();
			throw cause instanceof QubesLiteError ? cause : toWriteError(path, "written", cause);
		}
	};
	for (const { path, to } of changes) {
		await step(path, async () => {
			if (to === undefined) return;
			for (const directory of await findMissingDirectories([path])) {
				if (await makeDirectory(directory)) undone.push(() => removeEmptyDirectories([directory]));
			}
			const { after } = besides(path, mark);
			await rm(after, { force: true });
			undone.push(() => rm(after, { force: true }));
			await writeContent(after, to);
		});
	}
	for (const { path, to } of changes) {
		await step(path, async () => {
			const { before, after } = besides(path, mark);
			await rm(before, { force: true });
			undone.push(() => rm(before, { force: true }));
			const isThere = await setAside(path, before, to !== undefined);
			if (to === undefined) {
				if (isThere) undone.push(() => rename(before, path));
				return;
			}
			const made = await inodeOf(after);
			await rename(after, path);
			undone.push(async () => {
				// Whatever has taken its place since is somebody else's.
				if ((await inodeOf(path)) !== made) return;
				await (isThere ? rename(before, path) : rm(path, { force: true }));
			});
		});
	}
	return {
		undo,
		async keep() {
			undone.length = 0;
			for (const { path } of changes) await rm(besides(path, mark).before, { force: true });
		},
	};
}

/** At a path where nothing is. */
export async function writeContent(path: string, content: Content): Promise<void> {
	if (content.kind === "link") return await symlink(content.target, path);
	const mode = content.kind === "file" ? content.mode : undefined;
	await writeFile(path, bytesOf(content), { flag: "wx", mode: mode ?? 0o644 });
}

/** False where somebody else has made it just now. A user's own places are closed to others, as the XDG specification has it. */
async function makeDirectory(path: string): Promise<boolean> {
	try {
		await mkdir(path, { mode: 0o700 });
		return true;
	} catch (cause) {
		if (errnoOf(cause) === "EEXIST") return false;
		throw cause;
	}
}

/** False where there was nothing. `isReplaced`: it stays in its place, too, until another takes that in one step. */
async function setAside(path: string, before: string, isReplaced: boolean): Promise<boolean> {
	if ((await lookAt(path)) === undefined) return false;
	try {
		await (isReplaced ? link(path, before) : rename(path, before));
		return true;
	} catch (cause) {
		if (errnoOf(cause) === "ENOENT") return false;
		throw cause;
	}
}

const inodeOf = async (path: string): Promise<number | undefined> => {
	try {
		return (await lstat(path)).ino;
	} catch {
		return undefined;
	}
};

/** What a run that was killed has left beside them. */
export async function removeLeftovers(paths: readonly string[]): Promise<void> {
	for (const path of paths) {
		// Nothing is there, nearly always.
		for (const leftover of Object.values(besides(path))) await rm(leftover, { force: true }).catch(() => undefined);
	}
}

/** Hidden, and of no suffix that systemd or a shell looks for. Always the same for a mark, so that they are found again. */
export function besides(path: string, mark = usualMark): { readonly before: string; readonly after: string } {
	const hidden = join(dirname(path), `.${basename(path)}.${mark}`);
	return { before: `${hidden}-old`, after: `${hidden}-new` };
}

export function toWriteError(path: string, what: "read" | "written", cause: unknown): QubesLiteError {
	const errno = errnoOf(cause) ?? String(cause);
	const directory = shellWord(dirname(path));
	const isRoom = errno === "ENOSPC" || errno === "EDQUOT";
	return new QubesLiteError("Unsupported", `${path} can't be ${what} (${errno}), so nothing has been changed`, {
		remedy: isRoom ? `df -h ${directory}; df -i ${directory}   # make room` : `namei -l ${directory}`,
		cause,
	});
}
