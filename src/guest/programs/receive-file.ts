/** A file's content from standard input, as a file that only this user can read. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QubesLiteError } from "../../errors.ts";
import { isFileName, openFileMaxBytes } from "../../protocol/programs.ts";

const blockBytes = 256 * 1024;

/** Its path, in a directory of its own. `bytes`: how many are to come. Throws BadRequest, also where others come, and nothing is left then. */
export function receiveFile(name: string, bytes: number): string {
	if (!isFileName(name)) throw new QubesLiteError("BadRequest", "that is no name for a file");
	if (!Number.isInteger(bytes) || bytes < 0 || bytes > openFileMaxBytes) {
		throw new QubesLiteError("BadRequest", "that is no size of a file that is handed over");
	}
	const directory = mkdtempSync(join(tmpdir(), "qubes-lite-open-"));
	try {
		const path = join(directory, name);
		const fd = openSync(path, "wx", 0o600);
		copyTo(fd, bytes);
		closeSync(fd);
		return path;
	} catch (cause) {
		rmSync(directory, { recursive: true, force: true });
		throw cause;
	}
}

function copyTo(fd: number, bytes: number): void {
	const block = Buffer.alloc(blockBytes);
	for (let left = bytes; ; ) {
		const length = readSync(0, block);
		left -= length;
		if (left < 0 || (length === 0 && left > 0)) {
			throw new QubesLiteError("BadRequest", "the file did not come as it was announced");
		}
		if (length === 0) return;
		for (let at = 0; at < length; ) at += writeSync(fd, block, at, length - at);
	}
}
