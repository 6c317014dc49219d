/**
 * Reads a log that is kept as a ring of files while it is written: PATH is the newest, PATH.1 and PATH.2 are older. As
 * `tail -F` does, but across a rotation nothing is left out that is still there.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoOf } from "../errors.ts";

const olderSuffixes = [".1", ".2"];
const chunkBytes = 64 * 1024;

interface OpenFile {
	readonly handle: FileHandle;
	/** Told apart by inodes: ours can't be given to another file while we have it open. */
	readonly ino: number;
}

export class RingReader {
	readonly #path: string;
	/** What is being read; kept open when it has ended, since more may come, and for its inode. */
	#file: OpenFile | undefined;
	#offset = 0;

	/** From the oldest line that the ring has. Nothing need be there yet. */
	constructor(path: string) {
		this.#path = path;
	}

	/**
	 * What comes next, at most 64 KiB; undefined where nothing more is there now. A log that is gone and comes back, as with a
	 * vm's next boot, is read from its beginning; so is one that was emptied. Rejects with a system error.
	 */
	async read(): Promise<Buffer | undefined> {
		for (;;) {
			const bytes = await this.#readOn();
			if (bytes !== undefined) return bytes;
			const next = await this.#findNext();
			if (next === undefined) return undefined;
			// Between its end and its rotation something may have been written; it is complete once it has a successor.
			const last = await this.#readOn();
			if (last !== undefined) {
				await next.handle.close();
				return last;
			}
			await this.close();
			this.#file = next;
			this.#offset = 0;
		}
	}

	async close(): Promise<void> {
		const file = this.#file;
		this.#file = undefined;
		await file?.handle.close();
	}

	async #readOn(): Promise<Buffer | undefined> {
		if (this.#file === undefined) return undefined;
		const { handle } = this.#file;
		let { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, this.#offset);
		if (bytesRead === 0 && (await handle.stat()).size < this.#offset) {
			this.#offset = 0;
			({ bytesRead, buffer } = await handle.read(buffer, 0, chunkBytes, 0));
		}
		this.#offset += bytesRead;
		return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
	}

	/** The file that comes behind ours, open; undefined while ours is the newest or no newer one is there. */
	async #findNext(): Promise<OpenFile | undefined> {
		const newest = await openIfThere(this.#path);
		if (newest === undefined) return undefined;
		// Newest first: a rotation in between shows one file under two names.
		let next = newest;
		for (const suffix of olderSuffixes) {
			if (next.ino === this.#file?.ino) break;
			const older = await openIfThere(this.#path + suffix).catch(async (cause: unknown) => {
				await next.handle.close();
				throw cause;
			});
			if (older === undefined) continue;
			if (older.ino === next.ino || older.ino === this.#file?.ino) {
				await older.handle.close();
				if (older.ino === this.#file?.ino) return next;
				continue;
			}
			await next.handle.close();
			next = older;
		}
		if (next.ino !== this.#file?.ino) return next;
		await next.handle.close();
		return undefined;
	}
}

/** Its last `count` lines, or all; ends in any case, since it reads no more than `maxBytes`. Leaves the reader where it goes on. */
export async function readLastLines(reader: RingReader, count: number | null, maxBytes: number): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for (let total = 0; total < maxBytes; ) {
		const bytes = await reader.read();
		if (bytes === undefined) break;
		total += bytes.length;
		chunks.push(bytes);
	}
	const all = Buffer.concat(chunks);
	return count === null ? all : lastLinesOf(all, count);
}

/** The end of `text` from its last line but `count` on; a line that is not finished counts. */
export function lastLinesOf(text: Buffer, count: number): Buffer {
	const newline = 0x0a;
	if (count === 0) return Buffer.of();
	let from = text.length;
	// The newline at the end ends the last line, it begins none.
	if (text[from - 1] === newline) from -= 1;
	for (let lines = 0; lines < count; lines++) {
		from = from === 0 ? -1 : text.lastIndexOf(newline, from - 1);
		if (from < 0) return text;
	}
	return text.subarray(from + 1);
}

async function openIfThere(path: string): Promise<OpenFile | undefined> {
	let handle: FileHandle;
	try {
		handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
	} catch (cause) {
		const errno = errnoOf(cause);
		if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
		throw cause;
	}
	try {
		return { handle, ino: (await handle.stat()).ino };
	} catch (cause) {
		await handle.close();
		throw cause;
	}
}
