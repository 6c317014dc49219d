/** Whether a crosvm knows what its command line will say: its version is 0.1.0 since ever, and options come and go. */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { errnoOf, QubesLiteError } from "../errors.ts";

/** It prints some 20 KiB in some ms. */
const withinMs = 5_000;
const outputMaxBytes = 1024 * 1024;

/** What was found out last, of the one file that it is true of. */
let last: { readonly key: string; readonly options: ReadonlySet<string> } | undefined;

/**
 * Throws BootFailed where the crosvm at `argv[0]` can't be run, or lacks an option of `argv`; its extra arguments are its own business.
 * Asked once, and again when the file changes: then it blocks for as long as crosvm takes to print its help.
 */
export function checkCrosvmOptions(argv: readonly string[], extraArgs: readonly string[]): void {
	const [program = "", ...words] = argv;
	const known = optionsOf(program);
	const missing = words.find((word) => /^--[a-z]/.test(word) && !extraArgs.includes(word) && !known.has(word));
	if (missing === undefined) return;
	const orNone = missing === "--gpu" || missing === "--wayland-sock" ? ', or set "gpu": "none"' : "";
	throw new QubesLiteError("BootFailed", `${program} does not know ${missing}: it is too old, or too new, for this`, {
		remedy: `install another crosvm, or name one as "crosvm": {"binary": "/path/to/crosvm"} in the configuration${orNone}`,
	});
}

function optionsOf(program: string): ReadonlySet<string> {
	const key = keyOf(program);
	if (last?.key === key) return last.options;
	const help = [["--help"], ["run", "--help"]].map((words) => printedBy(program, words)).join("\n");
	const options = new Set(help.match(/(?<![\w-])--[a-z][a-z0-9-]*/g));
	last = { key, options };
	return options;
}

function keyOf(program: string): string {
	try {
		const { dev, ino, size, mtimeMs } = statSync(program);
		return [program, dev, ino, size, mtimeMs].join(" ");
	} catch (cause) {
		throw cantRun(program, cause);
	}
}

function printedBy(program: string, words: readonly string[]): string {
	const { error, status, stdout } = spawnSync(program, words, {
		...{ encoding: "utf8", timeout: withinMs, killSignal: "SIGKILL", maxBuffer: outputMaxBytes },
		stdio: ["ignore", "pipe", "ignore"],
	});
	if (error !== undefined || status !== 0) throw cantRun(program, error ?? new Error(`status ${status}`));
	return stdout;
}

function cantRun(program: string, cause: unknown): QubesLiteError {
	const why = errnoOf(cause) ?? (cause instanceof Error ? cause.message : "unknown");
	return new QubesLiteError("BootFailed", `${program} can't be run: ${why}`, {
		remedy: 'correct "crosvm": {"binary": …} in the configuration, or install crosvm',
		cause,
	});
}
