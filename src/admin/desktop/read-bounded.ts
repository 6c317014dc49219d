/** A file of at most so many bytes. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { errnoOf } from "../../errors.ts";

/** Resolves with its bytes, or with what is wrong, as the end of a sentence that begins with its path. Never waits for a FIFO's writer. */
export async function readBounded(path: string, maxBytes: number): Promise<Buffer | string> {
	try {
		await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
		if (!(await file.stat()).isFile()) return "is not a regular file";
		const bytes = Buffer.alloc(maxBytes + 1);
		let length = 0;
		for (let read = 1; read > 0 && length < bytes.length; length += read) {
			read = (await file.read(bytes, length, bytes.length - length, length)).bytesRead;
		}
		return length > maxBytes ? `is larger than ${Math.floor(maxBytes / 1024)} KiB` : bytes.subarray(0, length);
	} catch (cause) {
		return errnoOf(cause) === "ENOENT" ? "is not there" : `can't be read (${errnoOf(cause)})`;
	}
}
