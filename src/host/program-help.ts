/** What a program says it can do, by its own --help: asked once for each file, since whoever starts a vm waits for it. */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";

/** Helps of a few KiB come in some ms; the rest is for a host that swaps. */
const withinMs = 5_000;
const outputMaxBytes = 1024 * 1024;
/** A host has one or two of each. */
const keptMax = 16;

/** By the file, as it is, and the words. */
const kept = new Map<string, string>();

/** What `program` prints on standard output; throws where it is not there, can't be run, or fails. It blocks until then the first time. */
export function readHelp(program: string, words: readonly string[] = ["--help"]): string {
	const { dev, ino, size, mtimeMs } = statSync(program);
	const key = JSON.stringify([program, dev, ino, size, mtimeMs, words]);
	const known = kept.get(key);
	if (known !== undefined) return known;
	const { error, status, stdout } = spawnSync(program, words, {
		...{ encoding: "utf8", timeout: withinMs, killSignal: "SIGKILL", maxBuffer: outputMaxBytes },
		stdio: ["ignore", "pipe", "ignore"],
	});
	if (error !== undefined) throw error;
	if (status !== 0) throw new Error(`status ${status}`);
	if (kept.size >= keptMax) kept.clear();
	kept.set(key, stdout);
	return stdout;
}
