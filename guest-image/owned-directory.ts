/**
 * Temporary directories whose names say who made them, so that what a killed build left behind can be told from what
 * another build is working in, and removed.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../src/errors.ts";
import { inNamespaces } from "./namespaces.ts";
import { runTool } from "./run-tool.ts";

const namePattern = /^\.tmp-(\d{1,10})-(\d{1,20})-[0-9a-f]+$/;

/** A fresh path in `parent`, marked as this process's. It becomes a file, a directory or a symlink, as the caller likes. */
export async function makeOwnedPath(parent: string): Promise<string> {
	const startTime = await readStartTime(process.pid);
	return join(parent, `.tmp-${process.pid}-${startTime ?? 0}-${randomBytes(4).toString("hex")}`);
}

/** Runs `work` in a fresh directory in `parent`, which is gone afterwards, however it ends (unless `work` renamed it). */
export async function withOwnedDirectory<T>(parent: string, work: (directory: string) => Promise<T>): Promise<T> {
	const directory = await makeOwnedPath(parent);
	try {
		await mkdir(directory, { recursive: true });
		return await work(directory);
	} finally {
		await removeTree(directory);
	}
}

/** Removes from `parent` what processes that no longer run have left; returns how many there were. */
export async function sweepOwnedPaths(parent: string): Promise<number> {
	let swept = 0;
	for (const name of await readdir(parent).catch(() => [])) {
		const match = namePattern.exec(name);
		if (match === null || (await readStartTime(Number(match[1]))) === match[2]) continue;
		// What can't go yet goes at the next build; it is in nobody's way.
		await removeTree(join(parent, name)).then(
			() => {
				swept += 1;
			},
			() => {},
		);
	}
	return swept;
}

/** A program that a killed build had started may still be writing: a directory that fills again is tried again. */
async function removeTree(path: string): Promise<void> {
	try {
		await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
	} catch (error) {
		if (errnoOf(error) !== "EACCES" && errnoOf(error) !== "EPERM") throw error;
		// A guest's root that was laid on the disk: its files are of other uids, who are this user's own in a namespace.
		await runTool(inNamespaces(["rm", "-rf", "--", path]), { signal: AbortSignal.timeout(removeWithinMs) });
	}
}

/** Of some ten thousand files. */
const removeWithinMs = 120_000;

/** Start time of a process in clock ticks since boot (proc(5), field 22): with the pid it names one process for good. */
async function readStartTime(pid: number): Promise<string | undefined> {
	const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
	// The second field is the program's name in parentheses and may hold blanks and parentheses itself.
	return line?.slice(line.lastIndexOf(")") + 2).split(" ")[19];
}
