/** What has come gets its final name: at once, and only where nothing has it, unless the user has said that files may be replaced. */
import {
	closeSync,
	constants,
	fchmodSync,
	fstatSync,
	futimesSync,
	linkSync,
	mkdirSync,
	openSync,
	renameSync,
	rmdirSync,
	unlinkSync,
} from "node:fs";
import { posix } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { below, namesIn, openDirectoryBelow, statBelow } from "./below.ts";
import { AlreadyThere } from "./place.ts";

/** A name in a directory that is open. */
interface At {
	readonly fd: number;
	readonly name: string;
}

interface How {
	/** The final path, for people. */
	readonly shown: string;
	readonly force: boolean;
}

/** Throws where something else has the name; with `force` directories are joined, files and links replaced. */
export function publish(from: At, to: At, how: How): void {
	if (how.force) checkKinds(from, to, how.shown);
	place(from, to, how);
}

/** All at once, before the first file is replaced: a directory does not take the place of a file, nor the other way round. */
function checkKinds(from: At, to: At, shown: string): void {
	const [ours, theirs] = [statBelow(from.fd, from.name), statBelow(to.fd, to.name)];
	if (ours === undefined || theirs === undefined) return;
	if (ours.isDirectory() !== theirs.isDirectory()) {
		const [what, is] = theirs.isDirectory() ? ["a directory", "a file"] : ["no directory", "one"];
		throw new QubesLiteError("BadRequest", `${shown} is ${what}, and what comes is ${is}`);
	}
	if (ours.isDirectory()) {
		inBoth(from, to, (a, b, name) => checkKinds(a, b, posix.join(shown, name)));
	}
}

function place(from: At, to: At, how: How): void {
	const ours = statBelow(from.fd, from.name);
	const theirs = statBelow(to.fd, to.name);
	if (theirs !== undefined && !how.force) throw new AlreadyThere(how.shown);
	if (ours?.isDirectory() !== true) {
		if (how.force) renameSync(below(from.fd, from.name), below(to.fd, to.name));
		else placeFile(from, to, how.shown);
	} else if (theirs === undefined) placeDirectory(from, to, how.shown);
	else {
		inBoth(from, to, (a, b, name) => {
			place(a, b, { ...how, shown: posix.join(how.shown, name) });
		});
	}
}

/** A link(2) fails where the name is taken; rename(2) would replace what has it. */
function placeFile(from: At, to: At, shown: string): void {
	const [source, target] = [below(from.fd, from.name), below(to.fd, to.name)];
	try {
		linkSync(source, target);
		unlinkSync(source);
	} catch (cause) {
		const errno = errnoOf(cause);
		if (errno === "EEXIST") throw new AlreadyThere(shown);
		// FAT and the like have no second names: one is taken by an empty file, and that is replaced.
		if (errno !== "EPERM" && errno !== "ENOTSUP" && errno !== "EOPNOTSUPP" && errno !== "ENOSYS") throw cause;
		takeName(target, shown);
		renameSync(source, target);
	}
}

function takeName(target: string, shown: string): void {
	try {
		closeSync(
			openSync(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600),
		);
	} catch (cause) {
		throw errnoOf(cause) === "EEXIST" ? new AlreadyThere(shown) : cause;
	}
}

/** The name is taken by an empty directory, which rename(2) replaces, and would not if it were not empty. */
function placeDirectory(from: At, to: At, shown: string): void {
	const target = below(to.fd, to.name);
	try {
		mkdirSync(target, 0o700);
	} catch (cause) {
		throw errnoOf(cause) === "EEXIST" ? new AlreadyThere(shown) : cause;
	}
	let isTaken = true;
	const fd = openDirectoryBelow(from.fd, from.name);
	try {
		const { mode, mtimeMs } = fstatSync(fd);
		// Whoever moves a directory elsewhere must be able to write into it: its `..` changes (rename(2), EACCES).
		fchmodSync(fd, (mode & 0o777) | 0o700);
		renameSync(below(from.fd, from.name), target);
		isTaken = false;
		fchmodSync(fd, mode & 0o777);
		futimesSync(fd, mtimeMs / 1000, mtimeMs / 1000);
	} finally {
		closeSync(fd);
		if (isTaken) giveBack(target);
	}
}

/** Somebody may have put something there meanwhile, and then it is theirs. */
function giveBack(target: string): void {
	try {
		rmdirSync(target);
	} catch {}
}

/** Calls `act` for each of what is in the directory that has come, and its counterpart. */
function inBoth(from: At, to: At, act: (from: At, to: At, name: string) => void): void {
	const ours = openDirectoryBelow(from.fd, from.name);
	try {
		const theirs = openDirectoryBelow(to.fd, to.name);
		try {
			for (const bytes of namesIn(ours)) {
				const name = bytes.toString("utf8");
				act({ fd: ours, name }, { fd: theirs, name }, name);
			}
		} finally {
			closeSync(theirs);
		}
	} finally {
		closeSync(ours);
	}
}
