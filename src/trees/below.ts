/**
 * Names below an opened directory, as openat(2) and its like have them, which Node has not: by way of /proc, a descriptor is a place that nobody can put
 * something else into. No link is followed on the way, since there is no way.
 */
import {
	closeSync,
	constants,
	fchmodSync,
	fstatSync,
	lstatSync,
	openSync,
	readdirSync,
	rmdirSync,
	type Stats,
	unlinkSync,
} from "node:fs";
import { errnoOf, QubesLiteError } from "../errors.ts";

/** A path for system calls that are to mean `name` in the directory that is open. A last link is followed by those that follow one. */
export const below = (directory: number, name: string): string => `/proc/self/fd/${directory}/${name}`;

/** Opens the directory `name`, and no link to one. */
export const openDirectoryBelow = (directory: number, name: string): number =>
	openSync(below(directory, name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);

/** Of a link itself; undefined where nothing is. */
export const statBelow = (directory: number, name: string): Stats | undefined =>
	lstatSync(below(directory, name), { throwIfNoEntry: false });

/** As bytes: a name may be no UTF-8. In their order, so that the same tree comes the same way. */
export const namesIn = (directory: number): Buffer[] =>
	readdirSync(`/proc/self/fd/${directory}`, { encoding: "buffer" }).sort(Buffer.compare);

/** Removes whatever `name` is, and all that is in it. Links are removed, and what they lead to is not. */
export function removeBelow(directory: number, name: string): void {
	const found = statBelow(directory, name);
	if (found === undefined) return;
	if (!found.isDirectory()) {
		unlinkSync(below(directory, name));
		return;
	}
	const fd = openDirectoryBelow(directory, name);
	try {
		const { mode } = fstatSync(fd);
		if ((mode & 0o700) !== 0o700) fchmodSync(fd, (mode & 0o777) | 0o700);
		for (const child of namesIn(fd)) removeBelow(fd, child.toString("utf8"));
	} finally {
		closeSync(fd);
	}
	rmdirSync(below(directory, name));
}

const words: Readonly<Record<string, string>> = {
	ENOENT: "it is not there",
	EACCES: "permission denied",
	EPERM: "not permitted",
	ENOSPC: "no space is left there",
	EDQUOT: "the quota is used up",
	EROFS: "that can only be read",
	ENOTDIR: "there is no directory of this name",
	EISDIR: "there is a directory of this name",
	EEXIST: "something of this name is there already",
	ELOOP: "there is a symbolic link of this name",
	ENOTEMPTY: "the directory is not empty",
	ENAMETOOLONG: "the name is too long",
	EMFILE: "too many files are open",
	EXDEV: "it is on another file system",
	EIO: "the disk has failed",
	EFBIG: "it is too large there",
	EINVAL: "that name can't be there",
};

/** What went wrong with a file, in a sentence that begins with its name. What is one of ours already stays as it is. */
export function fileError(cause: unknown, shown: string): QubesLiteError {
	const errno = errnoOf(cause);
	if (cause instanceof QubesLiteError || errno === undefined) return QubesLiteError.from(cause);
	return new QubesLiteError("Internal", `${shown}: ${words[errno] ?? errno}`, { cause });
}
