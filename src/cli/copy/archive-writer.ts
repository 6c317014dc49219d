/** What comes out of a guest as a tar archive on our standard output, made anew of what was understood of it. */
import type { Writable } from "node:stream";
import { QubesLiteError } from "../../errors.ts";
import { paddingOf } from "../../tar/tar-format.ts";
import { encodeEntry, endOfArchive } from "../../tar/tar-writer.ts";
import { staysInside, type TreeEntry } from "../../tar/tree-entry.ts";
import { TreeOrder } from "../../tar/tree-order.ts";
import type { Receiving } from "../../trees/write-tree.ts";
import type { Target } from "./copy-from-guest.ts";

export class ArchiveWriter implements Target {
	readonly #out: Writable;
	readonly #order: TreeOrder;
	readonly #receiving: Receiving;
	#bytes = 0;
	#file = 0;
	#isFile = false;
	#error: Error | undefined;
	#full: PromiseWithResolvers<void> | undefined;

	constructor(out: Writable, roots: readonly string[], receiving: Receiving) {
		this.#out = out;
		this.#order = new TreeOrder(roots);
		this.#receiving = receiving;
		out.on("drain", () => this.#emptied());
		out.on("error", (cause) => {
			this.#error = new QubesLiteError("Internal", `the output cannot be written: ${cause.message}`, { cause });
			this.#emptied();
		});
	}

	ready(): Promise<void> | undefined {
		return this.#full?.promise;
	}

	entry(entry: TreeEntry): void {
		this.#order.take(entry);
		this.#isFile = entry.kind === "file";
		if (entry.kind === "file") {
			this.#file = entry.bytes;
			this.#bytes += entry.bytes;
			if (this.#bytes > this.#receiving.maxBytes) {
				throw new QubesLiteError("Limit", `there are more than ${this.#receiving.maxBytes} bytes`, {
					remedy: "--max-bytes N allows N",
				});
			}
		} else if (entry.kind === "link" && !staysInside(entry.target, entry.path.length - 2)) {
			this.#receiving.leaveOut(`${entry.path.join("/")}: a link that leads out of what is copied`);
			return;
		}
		this.#put(encodeEntry(entry));
	}

	data(bytes: Buffer): void {
		this.#put(Buffer.from(bytes));
		this.#receiving.count(0, bytes.length);
	}

	entryEnded(): void {
		if (!this.#isFile) return;
		const padding = paddingOf(this.#file);
		if (padding > 0) this.#put(Buffer.alloc(padding));
		this.#receiving.count(1, 0);
	}

	async finish(): Promise<void> {
		this.#order.end();
		await new Promise<void>((resolve, reject) => {
			this.#out.write(endOfArchive, (cause) =>
				cause === null || cause === undefined ? resolve() : reject(this.#error ?? cause),
			);
		});
	}

	abandon(): void {
		this.#out.removeAllListeners("drain");
	}

	#put(bytes: Buffer): void {
		if (this.#error !== undefined) throw this.#error;
		if (!this.#out.write(bytes)) this.#full ??= Promise.withResolvers();
	}

	#emptied(): void {
		this.#full?.resolve();
		this.#full = undefined;
	}
}
