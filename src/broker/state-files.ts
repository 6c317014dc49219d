/**
 * Small JSON files in a folder of the state directory, one for each vm, for a broker that comes later. What can't be written, or
 * read, or is not what we write, is not known then, and nothing worse.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import * as v from "valibot";
import { isVmName } from "../config/vm-name.ts";
import { errnoOf } from "../errors.ts";

/** The largest holds a sentence that quotes a vmm's last words, of 4 KiB at most. */
const fileMaxBytes = 64 * 1024;

const suffix = ".json";
/** Beside the file while it is written; of a broker that was killed meanwhile: until it is written again, or keepOnly. */
const unfinished = ".tmp";
const fileName = /^([^.]+)\.json(|\.tmp)$/;

const version = v.object({ schema: v.literal(1) });

/** Where it is told that a file is ignored. */
export type StateLog = Pick<Logger, "warn">;

export class StateFiles<Entries extends v.ObjectEntries> {
	readonly #directory: string;
	readonly #schema: v.ObjectSchema<Entries, undefined>;
	readonly #log: StateLog;

	/** `entries` beside `schema`, which is 1. */
	constructor(stateDirectory: string, folder: string, entries: Entries, log: StateLog) {
		this.#directory = join(stateDirectory, folder);
		this.#schema = v.object(entries);
		this.#log = log;
	}

	/** Null where none is known. */
	read(vm: string): v.InferOutput<v.ObjectSchema<Entries, undefined>> | null {
		const path = this.#pathOf(vm);
		try {
			const stat = statSync(path);
			if (!stat.isFile() || stat.size > fileMaxBytes) throw new Error("it is no file of ours");
			const content: unknown = JSON.parse(readFileSync(path, "utf8"));
			v.assert(version, content);
			return v.parse(this.#schema, content);
		} catch (cause) {
			if (errnoOf(cause) !== "ENOENT") this.ignored(vm, cause);
			return null;
		}
	}

	/** What it says can't be. */
	ignored(vm: string, cause: unknown): void {
		this.#log.warn({ event: "state.ignored", file: this.#pathOf(vm), err: cause });
	}

	write(vm: string, content: object): void {
		const path = this.#pathOf(vm);
		try {
			mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
			rmSync(path + unfinished, { force: true });
			writeFileSync(path + unfinished, `${JSON.stringify({ schema: 1, ...content })}\n`, { mode: 0o600, flag: "wx" });
			renameSync(path + unfinished, path);
		} catch (cause) {
			this.#discard(path + unfinished);
			this.#log.warn({ event: "state.notWritten", file: path, err: cause });
		}
	}

	#discard(path: string): void {
		try {
			rmSync(path, { force: true });
		} catch {}
	}

	/** Removes those of all other vms, and what was never finished. */
	keepOnly(vms: ReadonlySet<string>): void {
		try {
			for (const name of readdirSync(this.#directory)) {
				const [, vm = "", end] = fileName.exec(name) ?? [];
				if (!isVmName(vm) || (end === "" && vms.has(vm))) continue;
				rmSync(join(this.#directory, name), { force: true });
			}
		} catch {}
	}

	#pathOf(vm: string): string {
		return join(this.#directory, vm + suffix);
	}
}
