/** Runs one of the machine's programs to its end and turns a failure into a sentence. */
import { execa } from "execa";
import { QubesLiteError } from "../src/errors.ts";

export interface ToolOptions {
	readonly signal: AbortSignal;
	/** What errors call it; default its file, which may be only a wrapper. */
	readonly name?: string;
	/** Bound on the whole run; default 60 s, for programs that only compute. */
	readonly timeoutMs?: number;
	/** Its standard input; default none. */
	readonly input?: Buffer;
	readonly cwd?: string;
	/** Told of standard output as it comes. */
	readonly onOutput?: (text: string) => void;
	/** What ends it when `signal` does, or the time is over; default SIGTERM, and SIGKILL after 2 s. */
	readonly killSignal?: "SIGKILL";
	/** Leave the program in our terminal session, for sudo: it remembers a password for one terminal. */
	readonly inTerminalSession?: boolean;
}

const defaultTimeoutMs = 60_000;

/** The largest output of a tool is a decompressed kernel, around 55 MB. */
const outputMaxBytes = 512 * 1024 * 1024;

/** What installs the programs that an image is built with. */
const setupCommand = "npm run setup";

/** Standard output of `argv`. The C locale keeps messages recognisable; sbin is where an ordinary user's PATH lacks it. */
export async function runTool(argv: readonly [string, ...string[]], options: ToolOptions): Promise<Buffer> {
	const [file, ...args] = argv;
	const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
	const running = execa(file, args, {
		cancelSignal: options.signal,
		timeout: timeoutMs,
		forceKillAfterDelay: 2_000,
		...(options.killSignal !== undefined && { killSignal: options.killSignal }),
		// A process group of its own, so that what it started can be ended with it.
		detached: !options.inTerminalSession,
		maxBuffer: outputMaxBytes,
		encoding: "buffer",
		stripFinalNewline: false,
		reject: false,
		env: { LC_ALL: "C", PATH: `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` },
		...(options.cwd === undefined ? {} : { cwd: options.cwd }),
		...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
	});
	const { onOutput } = options;
	if (onOutput !== undefined) running.stdout.on("data", (chunk: Buffer) => onOutput(chunk.toString()));
	// A child that outlives it would hold its output open, and so our waiting: apt's own do when the disk is full.
	running.nodeChildProcess?.once("exit", (code) => {
		if (code !== 0 && !options.inTerminalSession) endGroup(running.pid);
	});
	const result = await running;
	if (!result.failed) return Buffer.from(result.stdout);
	options.signal.throwIfAborted();
	if (result.code === "ENOENT") {
		throw new QubesLiteError("Unsupported", `${file} is not installed.`, { remedy: setupCommand });
	}
	const words = Buffer.from(result.stderr ?? [])
		.toString()
		.trim();
	if (/No space left on device|Disk quota exceeded/.test(words)) {
		throw Object.assign(new Error(`${file}: ${words}`), { code: "ENOSPC" });
	}
	const why = result.timedOut ? `took longer than ${Math.round(timeoutMs / 1000)} s.` : `failed: ${lastLines(words)}`;
	throw new QubesLiteError("Internal", `${options.name ?? file} ${why}`, { cause: result });
}

/** All that the program wrote before it failed, to either stream; `error` is what runTool() threw. */
export function wordsOf(error: unknown): string {
	const result: unknown = error instanceof Error ? error.cause : undefined;
	if (typeof result !== "object" || result === null) return error instanceof Error ? error.message : "";
	const { stdout, stderr } = result as { stdout?: unknown; stderr?: unknown };
	return [stdout, stderr].map((bytes) => (bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : "")).join("\n");
}

function endGroup(leader: number | undefined): void {
	if (leader === undefined) return;
	try {
		process.kill(-leader, "SIGKILL");
	} catch {
		// Nothing was left: the usual case.
	}
}

function lastLines(words: string): string {
	return words === "" ? "it said nothing." : words.split("\n").slice(-3).join("\n");
}
