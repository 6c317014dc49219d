/**
 * Starts the broker where no service manager holds its socket, as tmux does with its server. Any number of clients may
 * try at once: flock(1) lets one through, and the kernel takes the lock back whenever that broker ends, however it does.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { stateDirectoryOf } from "../host/xdg.ts";

/** What flock exits with when somebody else has the lock: our choice, unlike any status of node's. */
const lockedStatus = 75;
/** A broker that has not said that it serves by then never will. */
const startWithinMs = 20_000;
/**
 * Node's own. A broker with a hundred vms at rest wakes up for each heartbeat: what it has just made is garbage, which a large
 * young generation would only let lie (40 MiB of it, measured), and V8's helpers would cost more than they do. The unit file has the same.
 */
const nodeFlags = ["--max-semi-space-size=1", "--single-threaded", "--disable-sigusr1"];
const logMaxBytes = 1024 * 1024;

/** Of one that has ended: what it has written is there then, and is read. */
const lastWordsMs = 1_000;

/** Resolves when a broker serves, or somebody else is starting one; rejects with the reason why it can't. */
export async function startBroker(
	runtimeDirectory: string,
	env: NodeJS.ProcessEnv,
	broker = fileURLToPath(new URL("./broker.cjs", import.meta.url)),
): Promise<void> {
	const lock = join(runtimeDirectory, "broker.lock");
	const log = openLog(env);
	const child = spawn(
		"flock",
		[
			"--no-fork",
			"--nonblock",
			"--conflict-exit-code",
			String(lockedStatus),
			lock,
			process.execPath,
			...nodeFlags,
			broker,
		],
		{
			cwd: "/",
			detached: true,
			stdio: ["ignore", log, log, "pipe", ...closedFrom(4, log)],
			env: { ...env, QUBES_LITE_READY_FD: "3" },
		},
	);
	closeSync(log);
	/** Where no process can be made there are no streams either. */
	const ready = child.stdio?.[3] as Readable | undefined;
	let timer: NodeJS.Timeout | undefined;
	let lastWords: NodeJS.Timeout | undefined;
	try {
		await new Promise<void>((resolve, reject) => {
			const fail = (message: string, remedy?: string): void =>
				reject(new QubesLiteError("Internal", message, { remedy }));
			timer = setTimeout(() => {
				child.kill("SIGKILL");
				fail(`the broker did not start within ${startWithinMs / 1000} s`, `look at ${logPath(env)}`);
			}, startWithinMs);
			let said = "";
			let end: string | undefined;
			const ended = (): void => {
				if (said !== "") settle(said, resolve, reject);
				else fail(`the broker ended at its start (${end})`, `look at ${logPath(env)}`);
			};
			ready?.on("data", (chunk: Buffer) => {
				said += chunk.toString("utf8");
			});
			ready?.once("end", () => {
				if (said !== "") settle(said, resolve, reject);
				else if (end !== undefined) ended();
			});
			child.once("error", (cause) => {
				const errno = errnoOf(cause);
				if (errno === "ENOENT") fail("flock is missing, which starts the broker", "sudo apt-get install util-linux");
				else fail(`the broker can't be started (${errno ?? cause.message})`);
			});
			child.once("exit", (code, signal) => {
				/** Killed from outside: whoever looks for it next starts another. */
				if (code === lockedStatus || signal === "SIGKILL") resolve();
				else {
					/** It may have served, and have left before we came to hear of it. */
					end = String(signal ?? code);
					if (ready === undefined || ready.readableEnded) ended();
					// Behind a look at the pipe: in a process that was not let run meanwhile, the timer is over before anything is read.
					else lastWords = setTimeout(() => setImmediate(ended), lastWordsMs);
				}
			});
		});
	} finally {
		clearTimeout(timer);
		clearTimeout(lastWords);
		ready?.destroy();
		child.unref();
	}
}

/**
 * What our caller left open (bash's `<(…)` is 63) must not live on in the broker: a pipe would never end. Node marks only
 * low numbers close-on-exec (uv_disable_stdio_inheritance), so each inherited one is covered with the log.
 */
function closedFrom(first: number, cover: number): ("ignore" | number)[] {
	const open = readdirSync("/proc/self/fd").map(Number);
	const last = Math.min(Math.max(...open), 1023);
	return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) =>
		open.includes(first + index) ? cover : "ignore",
	);
}

/** The one line that the broker writes: that it serves, or the facts of an error. */
function settle(said: string, resolve: () => void, reject: (error: QubesLiteError) => void): void {
	let outcome: { ready?: boolean; code: string; message: string; remedy?: string };
	try {
		outcome = JSON.parse(said);
	} catch (cause) {
		reject(new QubesLiteError("Internal", "the broker ended in the middle of its first word", { cause }));
		return;
	}
	if (outcome.ready === true) resolve();
	else reject(QubesLiteError.fromFacts(outcome));
}

const logPath = (env: NodeJS.ProcessEnv): string => join(stateDirectoryOf(env), "broker.log");

/** Appends; a log that has grown large makes room for a new one. Without a place for it the broker goes on without. */
function openLog(env: NodeJS.ProcessEnv): number {
	const path = logPath(env);
	try {
		mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
		if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > logMaxBytes) renameSync(path, `${path}.1`);
		return openSync(path, "a", 0o600);
	} catch {
		return openSync("/dev/null", "w");
	}
}
