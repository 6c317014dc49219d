/** A file's content from standard input, as a file that only this user can read. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QubesLiteError } from "../../errors.ts";
import { isFileName, openFileMaxBytes } from "../../protocol/programs.ts";

const blockBytes = 256 * 1024;

/** Its path, in a directory of its own. Throws BadRequest or Limit, and nothing is left then. */
export function receiveFile(name: string): string {
	if (!isFileName(name)) throw new QubesLiteError("BadRequest", "that is no name for a file");
	const directory = mkdtempSync(join(tmpdir(), "qubes-lite-open-"));
	try {
		const path = join(directory, name);
		const fd = openSync(path, "wx", 0o600);
		copyTo(fd);
		closeSync(fd);
		return path;
	} catch (cause) {
		rmSync(directory, { recursive: true, force: true });
		throw cause;
	}
}

function copyTo(fd: number): void {
	const block = Buffer.alloc(blockBytes);
	for (let total = 0; ; ) {
		const length = readSync(0, block);
		if (length === 0) return;
		total += length;
		if (total > openFileMaxBytes) throw new QubesLiteError("Limit", "the file is too large to be handed over");
		for (let at = 0; at < length; ) at += writeSync(fd, block, at, length - at);
	}
}
