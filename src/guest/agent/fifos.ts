/**
 * Real pipes for a command's streams. Node's own `stdio: "pipe"` gives socketpairs, and a program can't open those by
 * name: `echo oops >/dev/stderr` fails with ENXIO (open(2)). Node has no pipe(2), so we open FIFOs that are unlinked at
 * once, and keep a stock of them because making one costs a fork.
 */
import { spawn } from "node:child_process";
import { chownSync, closeSync, constants, mkdirSync, openSync, rmSync, unlinkSync } from "node:fs";

const stockFull = 24;
const stockLow = 9;

export interface StreamEnds {
	/** Given to the child: blocking, as programs expect. */
	readonly child: readonly [stdin: number, stdout: number, stderr: number];
	/** Ours: non-blocking. */
	readonly ours: readonly [stdin: number, stdout: number, stderr: number];
}

export class FifoStock {
	readonly #directory: string;
	#paths: string[] = [];
	#next = 0;
	#filling: Promise<void> | undefined;

	constructor(directory: string) {
		this.#directory = directory;
		rmSync(directory, { recursive: true, force: true });
		mkdirSync(directory, { recursive: true, mode: 0o700 });
	}

	/** Three pipes that the user `uid` may also open by name (/dev/stdout). Rejects when none can be made. */
	async take(uid: number): Promise<StreamEnds> {
		while (this.#paths.length < 3) await this.fill();
		const [stdin, stdout, stderr] = this.#paths.splice(0, 3) as [string, string, string];
		if (this.#paths.length < stockLow) void this.fill().catch(() => {});
		const opened: number[] = [];
		try {
			const input = openInput(stdin, uid, opened);
			const output = openOutput(stdout, uid, opened);
			const error = openOutput(stderr, uid, opened);
			return { child: [input.child, output.child, error.child], ours: [input.ours, output.ours, error.ours] };
		} catch (cause) {
			for (const fd of opened) closeSync(fd);
			throw cause;
		}
	}

	/** Tops the stock up; one fork, whoever asks meanwhile waits for the same. */
	fill(): Promise<void> {
		this.#filling ??= this.#make().finally(() => {
			this.#filling = undefined;
		});
		return this.#filling;
	}

	async #make(): Promise<void> {
		const made: string[] = [];
		while (this.#paths.length + made.length < stockFull) {
			this.#next += 1;
			made.push(`${this.#directory}/${this.#next}`);
		}
		if (made.length === 0) return;
		await new Promise<void>((resolve, reject) => {
			const mkfifo = spawn("mkfifo", ["-m", "600", ...made], { stdio: "ignore" });
			mkfifo.on("error", reject);
			mkfifo.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`mkfifo ended with ${code}`))));
		});
		this.#paths.push(...made);
	}
}

interface Ends {
	readonly child: number;
	readonly ours: number;
}

/** A reader must be there before a writer may open without blocking, and the other way round: fifo(7). */
function openOutput(path: string, uid: number, opened: number[]): Ends {
	const ours = open(path, constants.O_RDONLY | constants.O_NONBLOCK, opened);
	const child = open(path, constants.O_WRONLY, opened);
	chownSync(path, uid, uid);
	unlinkSync(path);
	return { child, ours };
}

function openInput(path: string, uid: number, opened: number[]): Ends {
	const both = openSync(path, constants.O_RDWR);
	try {
		const child = open(path, constants.O_RDONLY, opened);
		const ours = open(path, constants.O_WRONLY | constants.O_NONBLOCK, opened);
		chownSync(path, uid, uid);
		unlinkSync(path);
		return { child, ours };
	} finally {
		closeSync(both);
	}
}

function open(path: string, flags: number, opened: number[]): number {
	const fd = openSync(path, flags);
	opened.push(fd);
	return fd;
}
