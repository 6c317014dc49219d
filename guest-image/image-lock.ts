/** One `image build`, `rm` or `gc` of a cache at a time: what one has made, and nothing points to yet, another would take for what nobody needs. */
import { spawn } from "node:child_process";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, QubesLiteError } from "../src/errors.ts";

/** Empty, and never removed: whoever waits for it would wait for another file than who comes later. */
const lockName = "images.lock";
/** A removal is done by then, and nobody has to read of it. */
const silentlyS = 1;
/** What flock exits with when somebody else has the lock: our choice. */
const lockedStatus = 75;

export interface LockOptions {
	readonly signal: AbortSignal;
	/** Told that somebody else is at work, once that has lasted a second. */
	readonly say: (line: string) => void;
}

/**
 * The lock is held until the handle is closed, and the kernel takes it back however we end; what we start does not inherit it. Who has it is waited for
 * as long as it takes, which may be a whole build. Rejects with the signal's reason.
 */
export async function lockImages(cacheDirectory: string, { signal, say }: LockOptions): Promise<FileHandle> {
	await mkdir(cacheDirectory, { recursive: true, mode: 0o700 });
	// For writing: file systems of a network lock no other file.
	const file = await open(join(cacheDirectory, lockName), "a", 0o600);
	try {
		if (!(await takeLock(file, ["--timeout", String(silentlyS)], signal))) {
			say("another qubes-lite image build, rm or gc is at work: waiting for it");
			await takeLock(file, [], signal);
		}
		return file;
	} catch (cause) {
		await file.close();
		throw cause;
	}
}

/** flock(1) locks what it inherits from us, so that the lock is ours when it has ended. False: somebody else has it. */
function takeLock(file: FileHandle, words: readonly string[], signal: AbortSignal): Promise<boolean> {
	const all = ["--exclusive", ...words, "--conflict-exit-code", String(lockedStatus), "3"];
	const child = spawn("flock", all, { stdio: ["ignore", "ignore", "inherit", file.fd], signal });
	return new Promise((resolve, reject) => {
		child.once("error", (cause) => {
			if (signal.aborted) reject(signal.reason);
			else if (errnoOf(cause) !== "ENOENT") reject(cause);
			else {
				const remedy = "sudo apt-get install util-linux";
				reject(new QubesLiteError("Unsupported", "flock is missing, which keeps two builds apart", { remedy }));
			}
		});
		child.once("exit", (code, killedBy) => {
			if (code === 0 || code === lockedStatus) resolve(code === 0);
			else if (signal.aborted) reject(signal.reason);
			else reject(new QubesLiteError("Internal", `flock failed (${killedBy ?? code})`, { remedy: "flock --version" }));
		});
	});
}
