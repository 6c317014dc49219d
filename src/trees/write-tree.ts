/**
 * What comes as an archive, as files. It is written into a directory of its own beside where it will be, and gets its names when all of it is there. Whoever
 * sends it chooses nothing that was not asked for: not the roots' names, and nothing outside them.
 */
import { randomBytes } from "node:crypto";
import {
	closeSync,
	constants,
	fchmodSync,
	fstatSync,
	futimesSync,
	lutimesSync,
	mkdirSync,
	openSync,
	symlinkSync,
	writeSync,
} from "node:fs";
import { posix } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import type { TreeSink } from "../tar/tar-reader.ts";
import { malformed, namelessRoot, staysInside, type TreeEntry } from "../tar/tree-entry.ts";
import { TreeOrder } from "../tar/tree-order.ts";
import { below, fileError, openDirectoryBelow, removeBelow } from "./below.ts";
import type { Place } from "./place.ts";
import { publish } from "./publish.ts";
import type { LeaveOut } from "./read-tree.ts";

export interface Receiving {
	readonly leaveOut: LeaveOut;
	readonly count: (files: number, bytes: number) => void;
	/** Of all content together. */
	readonly maxBytes: number;
}

interface OpenDirectory {
	readonly fd: number;
	readonly mode: number;
	readonly mtimeS: number;
}

export class TreeWriter implements TreeSink {
	readonly #place: Place;
	readonly #receiving: Receiving;
	readonly #order: TreeOrder;
	readonly #staging = `.qubes-lite-cp-${randomBytes(6).toString("hex")}`;
	#stagingFd: number | undefined;
	/** From the root down to the one that is filled. */
	readonly #open: OpenDirectory[] = [];
	#file: { readonly fd: number; readonly entry: TreeEntry } | undefined;
	#bytes = 0;

	/** Nothing is written before the first entry. */
	constructor(place: Place, receiving: Receiving) {
		this.#place = place;
		this.#receiving = receiving;
		this.#order = new TreeOrder([...place.finals.keys()]);
	}

	/** Throws BadRequest on what was not asked for, and what comes in no order. */
	entry(entry: TreeEntry): void {
		const parents = this.#order.take(entry);
		const name = parents === 0 ? stagedName(entry.path[0]) : (entry.path.at(-1) ?? "");
		this.#leaveAllBut(parents);
		if (parents === 0) this.#checkKind(entry);
		try {
			this.#create(entry, this.#open.at(-1)?.fd ?? this.#openStaging(), name);
		} catch (cause) {
			if (errnoOf(cause) === "EEXIST") throw malformed("a name comes twice");
			throw fileError(cause, this.#shownOf(entry));
		}
	}

	data(bytes: Buffer): void {
		const file = this.#file;
		if (file === undefined) throw malformed("content comes without a file");
		try {
			for (let at = 0; at < bytes.length; ) at += writeSync(file.fd, bytes, at);
		} catch (cause) {
			throw fileError(cause, this.#shownOf(file.entry));
		}
		this.#receiving.count(0, bytes.length);
	}

	entryEnded(): void {
		if (this.#file === undefined) return;
		const { fd, entry } = this.#file;
		this.#file = undefined;
		try {
			futimesSync(fd, entry.mtimeS, entry.mtimeS);
		} finally {
			closeSync(fd);
		}
		this.#receiving.count(1, 0);
	}

	/** All that was asked for is there, and gets its names. Throws where something is missing, or cannot have its name. */
	finish(): void {
		this.#leaveAllBut(0);
		this.#order.end();
		const staging = this.#openStaging();
		const { directory, shown, finals, force } = this.#place;
		const done: string[] = [];
		for (const [root, final] of finals) {
			try {
				publish(
					{ fd: staging, name: stagedName(root) },
					{ fd: directory, name: final },
					{ shown: posix.join(shown, final), force },
				);
			} catch (cause) {
				const error = fileError(cause, posix.join(shown, final));
				if (done.length === 0) throw error;
				throw new QubesLiteError(error.code, `${error.message} (but ${done.join(", ")} has arrived)`, { cause });
			}
			done.push(final);
		}
		this.abandon();
	}

	/** Nothing is left of what has no final name. Idempotent. */
	abandon(): void {
		if (this.#file !== undefined) closeSync(this.#file.fd);
		for (const { fd } of this.#open.splice(0)) closeSync(fd);
		if (this.#stagingFd !== undefined) closeSync(this.#stagingFd);
		const hadStaging = this.#stagingFd !== undefined;
		this.#file = undefined;
		this.#stagingFd = undefined;
		// Why it is abandoned is what counts.
		try {
			if (hadStaging) removeBelow(this.#place.directory, this.#staging);
		} catch {}
	}

	#openStaging(): number {
		if (this.#stagingFd !== undefined) return this.#stagingFd;
		const { directory, shown } = this.#place;
		try {
			mkdirSync(below(directory, this.#staging), 0o700);
			this.#stagingFd = openDirectoryBelow(directory, this.#staging);
			return this.#stagingFd;
		} catch (cause) {
			throw fileError(cause, shown);
		}
	}

	#checkKind(entry: TreeEntry): void {
		if (!this.#place.mustBeDirectory || entry.kind === "directory") return;
		throw new QubesLiteError("BadRequest", `there is no directory ${this.#shownOf(entry)}`);
	}

	#create(entry: TreeEntry, directory: number, name: string): void {
		const { mode, mtimeS } = entry;
		if (entry.kind === "directory") {
			mkdirSync(below(directory, name), mode | 0o700);
			const fd = openDirectoryBelow(directory, name);
			this.#open.push({ fd, mode, mtimeS });
		} else if (entry.kind === "link") {
			if (!staysInside(entry.target, entry.path.length - 2)) {
				this.#receiving.leaveOut(`${this.#shownOf(entry)}: a link that leads out of what is copied`);
				return;
			}
			symlinkSync(entry.target, below(directory, name));
			lutimesSync(below(directory, name), mtimeS, mtimeS);
		} else {
			this.#bytes += entry.bytes;
			const { maxBytes } = this.#receiving;
			if (this.#bytes > maxBytes) {
				throw new QubesLiteError("Limit", `there are more than ${maxBytes} bytes`, {
					remedy: "--max-bytes N allows N",
				});
			}
			const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
			const fd = openSync(below(directory, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
			this.#file = { fd, entry };
		}
	}

	/** Directories that are full get their mode and time; the first `count` stay open. */
	#leaveAllBut(count: number): void {
		while (this.#open.length > count) {
			const { fd, mode, mtimeS } = this.#open.pop() as OpenDirectory;
			try {
				// What the umask has left of it, and the owner's bits only as far as they were sent.
				fchmodSync(fd, fstatSync(fd).mode & (mode | 0o077));
				futimesSync(fd, mtimeS, mtimeS);
			} finally {
				closeSync(fd);
			}
		}
	}

	#shownOf({ path }: TreeEntry): string {
		const { shown, finals } = this.#place;
		const [root = "", ...rest] = path;
		return posix.join(shown, finals.get(root) ?? root, ...rest);
	}
}

/** Nameless is only one that comes alone. */
const stagedName = (root = namelessRoot): string => (root === namelessRoot ? "nameless" : root);
