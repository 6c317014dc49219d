/** One `install`, `uninstall` or `desktop sync` of a user's at a time. */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Environment } from "../../config/find-config.ts";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { findProgram } from "../../host/programs.ts";
import { homeOf } from "../../host/xdg.ts";
import { shellWord } from "../../shell-word.ts";
import { whileInterruptible } from "../interruption.ts";

/** An install takes one second, and with a manager that is slow to answer some ten more. */
const waitMaxS = 30;
/** What flock exits with when somebody else has the lock: our choice. */
const lockedStatus = 75;

/**
 * Runs `work` while nobody else installs or uninstalls in this home directory; who does is waited for. Rejects with Busy where that takes
 * too long, with Interrupted where a signal came.
 */
export function workAlone<T>(env: Environment, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
	return whileInterruptible(async (signal) => {
		await using _lock = await lock(env, signal);
		return await work(signal);
	});
}

/**
 * On the home directory itself, which is there before all that we make, and stays: a lock file would have to be made and removed under a
 * lock. The kernel takes it back however we end.
 */
async function lock(env: Environment, signal: AbortSignal): Promise<FileHandle> {
	const flock = findProgram(env.PATH ?? "", "flock");
	if (flock === undefined) {
		throw new QubesLiteError("Unsupported", "flock is not on PATH, which keeps two installations apart", {
			remedy: "install util-linux",
		});
	}
	const home = homeOf(env);
	const directory = await openDirectory(home);
	const take = (...words: readonly string[]): Promise<boolean> => takeLock(flock, directory, words, signal);
	try {
		if (await take("--nonblock")) return directory;
		process.stderr.write("qubes-lite: another install, uninstall or sync is at work: waiting for it\n");
		if (await take("--wait", String(waitMaxS))) return directory;
		throw new QubesLiteError("Busy", `another install, uninstall or sync is still at work after ${waitMaxS} s`, {
			remedy: `lslocks --notruncate | grep -F ${shellWord(home)}   # who it is`,
		});
	} catch (cause) {
		await directory.close();
		throw cause;
	}
}

async function openDirectory(home: string): Promise<FileHandle> {
	try {
		return await open(home, constants.O_RDONLY | constants.O_DIRECTORY);
	} catch (cause) {
		throw new QubesLiteError("Unsupported", `the home directory ${home} can't be opened (${errnoOf(cause)})`, {
			remedy: "export HOME=   # your home directory, as an absolute path",
			cause,
		});
	}
}

/** flock(1) locks what it inherits from us, so that the lock is ours when it has ended. False: somebody else has it. */
function takeLock(
	flock: string,
	directory: FileHandle,
	words: readonly string[],
	signal: AbortSignal,
): Promise<boolean> {
	const all = ["--exclusive", ...words, "--conflict-exit-code", String(lockedStatus), "3"];
	const child = spawn(flock, all, { stdio: ["ignore", "ignore", "inherit", directory.fd], signal });
	return new Promise((resolve, reject) => {
		const fail = (why: unknown): void => {
			if (signal.aborted) reject(signal.reason);
			else reject(new QubesLiteError("Internal", `flock failed (${why})`, { remedy: "flock --version" }));
		};
		child.once("error", (cause) => fail(errnoOf(cause) ?? cause.message));
		child.once("exit", (code, killedBy) => {
			if (code === 0 || code === lockedStatus) resolve(code === 0);
			else fail(killedBy ?? code);
		});
	});
}
