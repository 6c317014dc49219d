/** The broker's log where it is a file (its standard error): a broker that lives for months must not fill the disk. */
import { constants, copyFileSync, fstatSync, ftruncateSync, readlinkSync, writeSync } from "node:fs";

const maxBytes = 1024 * 1024;

/**
 * Where pino writes to. A file that has grown to 1 MiB is copied to `<file>.1` and emptied: whoever else
 * has it open to append (open(2), O_APPEND), goes on at its new end. A pipe or a journal is left alone.
 */
export class LogFile {
	readonly #fd: number;
	readonly #path: string | undefined;
	#bytes = 0;

	constructor(fd: number) {
		this.#fd = fd;
		const stat = fstatSync(fd);
		if (!stat.isFile()) return;
		this.#path = readlinkSync(`/proc/self/fd/${fd}`);
		this.#bytes = stat.size;
	}

	/** What can't be written (a full disk) is lost: a vm is worth more than a line about it. */
	write(line: string): void {
		try {
			this.#bytes += writeSync(this.#fd, line);
			if (this.#path === undefined || this.#bytes < maxBytes) return;
			this.#bytes = 0;
			copyFileSync(this.#path, `${this.#path}.1`, constants.COPYFILE_FICLONE);
			ftruncateSync(this.#fd);
		} catch {}
	}
}
