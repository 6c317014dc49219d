/** What is typed on a vm's serial console: the writing end of its FIFO. */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { errnoOf } from "../errors.ts";

/** At most so much in one write(2) is taken whole or not at all (PIPE_BUF, pipe(7)). */
const pieceBytes = 4096;
/** A FIFO holds 64 KiB; a guest that reads takes more in well under this. */
const retryMs = 20;

/** undefined where nobody reads from the FIFO at `path`: the vm is not up, or not yet. Rejects nothing else than a FIFO. */
export function openConsoleInput(path: string): ConsoleInput | undefined {
	const fd = tryOpen(path);
	return fd === undefined ? undefined : new ConsoleInput(path, fd);
}

export class ConsoleInput {
	readonly #path: string;
	readonly #fd: number;
	readonly #ino: number;
	#waiting: Buffer[] = [];
	#waitingBytes = 0;
	#retry: NodeJS.Timeout | undefined;
	#onEmpty: (() => void)[] = [];

	constructor(path: string, fd: number) {
		this.#path = path;
		this.#fd = fd;
		this.#ino = fstatSync(fd).ino;
	}

	/** What the guest has not taken yet. */
	get waitingBytes(): number {
		return this.#waitingBytes;
	}

	/** Never blocks: what finds no room is kept, in order, until there is some. */
	write(bytes: Buffer): void {
		for (let at = 0; at < bytes.length; at += pieceBytes) this.#waiting.push(bytes.subarray(at, at + pieceBytes));
		this.#waitingBytes += bytes.length;
		if (this.#retry === undefined) this.#pass();
	}

	/** Resolves when the FIFO has all that was written, or nobody reads from it any more. */
	empty(): Promise<void> {
		return this.#waitingBytes === 0 ? Promise.resolve() : new Promise((resolve) => this.#onEmpty.push(resolve));
	}

	/** Whether the vm whose console this is is still up: somebody reads from the FIFO, which is still that of this boot. */
	isRead(): boolean {
		const fd = tryOpen(this.#path);
		if (fd === undefined) return false;
		const { ino } = fstatSync(fd);
		closeSync(fd);
		return ino === this.#ino;
	}

	close(): void {
		clearTimeout(this.#retry);
		this.#drop();
		closeSync(this.#fd);
	}

	#pass(): void {
		this.#retry = undefined;
		for (let piece = this.#waiting[0]; piece !== undefined; piece = this.#waiting[0]) {
			try {
				writeSync(this.#fd, piece);
			} catch (cause) {
				if (errnoOf(cause) === "EAGAIN") this.#retry = setTimeout(() => this.#pass(), retryMs);
				else this.#drop();
				return;
			}
			this.#waiting.shift();
			this.#waitingBytes -= piece.length;
		}
		this.#drop();
	}

	#drop(): void {
		this.#waiting = [];
		this.#waitingBytes = 0;
		for (const resolve of this.#onEmpty.splice(0)) resolve();
	}
}

/** Without a reader the open of a FIFO for writing fails with ENXIO where it would otherwise block (fifo(7)). */
function tryOpen(path: string): number | undefined {
	let fd: number;
	try {
		fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
	} catch (cause) {
		const errno = errnoOf(cause);
		if (errno === "ENOENT" || errno === "ENXIO" || errno === "ENOTDIR") return undefined;
		throw cause;
	}
	if (fstatSync(fd).isFIFO()) return fd;
	closeSync(fd);
	throw new Error(`${path} is no FIFO`);
}
