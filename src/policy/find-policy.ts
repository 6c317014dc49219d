/** Where a policy's files are, and what can be wrong with them as files. */
import { isUtf8 } from "node:buffer";
import {
	closeSync,
	constants,
	fstatSync,
	lstatSync,
	openSync,
	readdirSync,
	readSync,
	type Stats,
	statSync,
} from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../errors.ts";
import { findConfigHome } from "../host/xdg.ts";
import { shellWord } from "../shell-word.ts";
import { type ParsedPolicy, type PolicyFile, parsePolicy } from "./parse-policy.ts";
import type { PolicyProblem } from "./problem.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A thousand lines; what is larger is no policy that somebody has read. */
export const policyFileMaxBytes = 64 * 1024;
/** In all directories together. */
export const policyFilesMax = 256;

/** Absolute paths; all of the first counts before the second. */
export function policyDirectories(env: Environment): string[] {
	const own = findConfigHome(env);
	return [...(own === undefined ? [] : [join(own, "qubes-lite/policy.d")]), "/etc/qubes-lite/policy.d"];
}

/** What changes whenever the policy may: the directories, and their files in the order in which they count. Never throws. */
export const policyPlaces = (directories: readonly string[]): string[] =>
	directories.flatMap((directory) => {
		try {
			return [directory, ...toPaths(directory, listNames(directory))];
		} catch {
			/** Whether that is a problem, findPolicy() says. */
			return [directory];
		}
	});

/** Never throws: what is wrong is among its problems. `uid`: whose it may be, besides root's. */
export function findPolicy(directories: readonly string[], uid: number): ParsedPolicy {
	const problems: PolicyProblem[] = [];
	const paths = directories.flatMap((directory) => {
		const found = readPolicyDirectory(directory, uid);
		if (Array.isArray(found)) return found;
		problems.push(found);
		return [];
	});
	const [tooMany] = paths.slice(policyFilesMax);
	if (tooMany !== undefined) {
		const sentence = `is one of ${paths.length} policy files; expected at most ${policyFilesMax}`;
		problems.push({ file: tooMany, line: null, sentence });
	}
	const files = paths.slice(0, policyFilesMax).flatMap((path): PolicyFile[] => {
		const found = readPolicyFile(path, uid);
		if (found === "absent") return [];
		if (found instanceof Uint8Array) return [{ path, bytes: found }];
		problems.push(found);
		return [];
	});
	return parsePolicy(files, problems);
}

/** Mostly it is not there, and an error costs more than the look. Throws where it can't be listed. */
const listNames = (directory: string): Buffer[] =>
	statSync(directory, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(directory, { encoding: "buffer" });

/** As `*.policy` in a shell, so that none begins with a dot, in the order of their bytes. */
const toPaths = (directory: string, names: readonly Buffer[]): string[] =>
	names
		.filter((name) => name[0] !== 0x2e && name.toString("latin1").endsWith(".policy"))
		.sort(Buffer.compare)
		.map((name) => join(directory, name.toString()));

/**
 * Who may write in a directory may take a file out of it. It is listed once, so that what is judged is what counts: a second list that
 * fails would be a policy without files, which allows all. Empty where it is not there.
 */
function readPolicyDirectory(path: string, uid: number): string[] | PolicyProblem {
	const problem = (sentence: string, remedy: string): PolicyProblem => ({ file: path, line: null, sentence, remedy });
	try {
		const found = statSync(path, { throwIfNoEntry: false });
		if (found === undefined && isGone(path)) return [];
		if (found === undefined)
			return problem("is a link to nowhere; expected a directory", `namei -l ${shellWord(path)}`);
		if (!found.isDirectory()) return problem("is no directory; expected one", `ls -ld ${shellWord(path)}`);
		const foreign = findForeignHand(path, found, uid);
		if (foreign !== undefined) return foreign;
		const names = readdirSync(path, { encoding: "buffer" });
		if (names.every((name) => isUtf8(name))) return toPaths(path, names);
		return problem("has a name that is not UTF-8; expected text", `ls -b ${shellWord(path)}`);
	} catch (cause) {
		if (isAbsence(cause)) return [];
		return toFailedRead(path, cause, "a directory");
	}
}

function readPolicyFile(path: string, uid: number): Uint8Array | PolicyProblem | "absent" {
	const problem = (sentence: string, remedy: string): PolicyProblem => ({ file: path, line: null, sentence, remedy });
	let fd: number;
	try {
		// O_NONBLOCK: the open of a FIFO would wait for a writer.
		fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
	} catch (cause) {
		if (isAbsence(cause) && isGone(path)) return "absent";
		return toFailedRead(path, cause, "a file");
	}
	try {
		const found = fstatSync(fd);
		if (!found.isFile()) {
			const kind = found.isDirectory() ? "a directory" : "not a regular file";
			return problem(`is ${kind}; expected a regular file`, `ls -ld ${shellWord(path)}`);
		}
		const foreign = findForeignHand(path, found, uid);
		if (foreign !== undefined) return foreign;
		const bytes = readAll(fd);
		if (bytes.length <= policyFileMaxBytes) return bytes;
		return problem("is larger than 64 KiB; expected less", `ls -l ${shellWord(path)}`);
	} catch (cause) {
		return toFailedRead(path, cause, "a file");
	} finally {
		closeSync(fd);
	}
}

function toFailedRead(path: string, cause: unknown, expected: string): PolicyProblem {
	const sentence = `can't be read (${errnoOf(cause)}); expected ${expected}`;
	return { file: path, line: null, sentence, remedy: `namei -l ${shellWord(path)}`, isFailedRead: true };
}

/** A link that leads nowhere is there. */
function isGone(path: string): boolean {
	try {
		return lstatSync(path, { throwIfNoEntry: false }) === undefined;
	} catch (cause) {
		return isAbsence(cause);
	}
}

/** One byte more than allowed at most, instead of trusting the size: it may have changed since. */
function readAll(fd: number): Uint8Array {
	const buffer = Buffer.alloc(policyFileMaxBytes + 1);
	let length = 0;
	for (;;) {
		const read = readSync(fd, buffer, length, buffer.length - length, null);
		length += read;
		if (read === 0 || length === buffer.length) return buffer.subarray(0, length);
	}
}

const writableByOthers = 0o022;

function findForeignHand(path: string, { mode, uid: owner }: Stats, uid: number): PolicyProblem | undefined {
	const word = shellWord(path);
	if (owner !== uid && owner !== 0) {
		const sentence = `belongs to the user ${owner}; expected you (${uid}) or root`;
		return { file: path, line: null, sentence, remedy: `ls -ld ${word}   # chown it, once you have read it` };
	}
	if ((mode & writableByOthers) === 0) return undefined;
	const octal = (mode & 0o7777).toString(8).padStart(4, "0");
	const sentence = `may be written to by others than its owner (mode ${octal}); expected only its owner`;
	return { file: path, line: null, sentence, remedy: `chmod go-w ${word}` };
}

function isAbsence(cause: unknown): boolean {
	const errno = errnoOf(cause);
	return errno === "ENOENT" || errno === "ENOTDIR";
}
