/** Reads what the shim's `ring` keeps: the end of a log in `name`, older lines in `name.1` and `name.2`. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";

/**
 * The last `maxBytes` of a ring, fewer if it holds fewer, empty if there is none. While the log is being written, lines
 * may come in that this call does not see, but it returns none twice.
 */
export async function readRingTail(directory: string, name: string, maxBytes: number): Promise<Buffer> {
	// Newest first: a rotation in between shows one file under two names, which its inode gives away.
	const files: FileHandle[] = [];
	try {
		for (const suffix of ["", ".1", ".2"]) files.push(...(await openIfThere(join(directory, name + suffix))));
		const tails: Buffer[] = [];
		const seen = new Set<number>();
		let missing = maxBytes;
		for (const file of files) {
			const { ino, size } = await file.stat();
			if (seen.has(ino)) continue;
			seen.add(ino);
			const tail = await readTail(file, size, missing);
			tails.unshift(tail);
			missing -= tail.length;
		}
		return Buffer.concat(tails);
	} finally {
		await Promise.all(files.map((file) => file.close()));
	}
}

async function readTail(file: FileHandle, size: number, maxBytes: number): Promise<Buffer> {
	const length = Math.min(size, maxBytes);
	const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
	return buffer.subarray(0, bytesRead);
}

async function openIfThere(path: string): Promise<FileHandle[]> {
	try {
		return [await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)];
	} catch {
		return [];
	}
}
