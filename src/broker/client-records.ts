/**
 * Whose process is connected to a session, for a broker that comes later: a client that is killed while no broker looks
 * would be missed by nobody, and its command would run on. One file in the vm's directory for each ticket, by its number.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identifyProcess, type ProcessIdentity } from "../activation/process-identity.ts";
import { parseProcessIdentity } from "../activation/shim-records.ts";

/** "PID STARTTIME" and a line's end. */
const recordMaxBytes = 32;

export class ClientRecords {
	readonly #directory: string;

	constructor(vmDirectory: string) {
		this.#directory = join(vmDirectory, "clients");
	}

	/** Writes nothing for a process that is not to be found. Without room for it a run is as good as with. */
	write(number: number, pid: number): void {
		try {
			const identity = identifyProcess(pid);
			if (identity === undefined) return;
			this.#make();
			writeFileSync(this.#pathOf(number), `${identity.pid} ${identity.startTime}\n`, { mode: 0o600 });
		} catch {}
	}

	remove(number: number): void {
		removeAny(this.#pathOf(number));
	}

	/** What an earlier broker wrote, by number. What is no record is removed. */
	read(): Map<number, ProcessIdentity> {
		const records = new Map<number, ProcessIdentity>();
		for (const name of this.#names()) {
			const identity = readRecord(join(this.#directory, name));
			const number = /^[1-9][0-9]{0,15}$/.test(name) ? Number(name) : Number.NaN;
			if (identity !== undefined && Number.isSafeInteger(number)) records.set(number, identity);
			else removeAny(join(this.#directory, name));
		}
		return records;
	}

	/** Those of an earlier boot, whose directory could not be removed. */
	clear(): void {
		removeAny(this.#directory);
	}

	/** Not with its parents: those of a vm that has ended must not come back. */
	#make(): void {
		try {
			mkdirSync(this.#directory, { mode: 0o700 });
		} catch {}
	}

	#names(): string[] {
		try {
			return readdirSync(this.#directory);
		} catch {
			return [];
		}
	}

	#pathOf(number: number): string {
		return join(this.#directory, String(number));
	}
}

/** What can't be removed is looked at again by the next broker, and goes with the vm's directory. */
function removeAny(path: string): void {
	try {
		rmSync(path, { recursive: true, force: true });
	} catch {}
}

function readRecord(path: string): ProcessIdentity | undefined {
	try {
		const stat = statSync(path);
		return stat.isFile() && stat.size <= recordMaxBytes ? parseProcessIdentity(readFileSync(path, "utf8")) : undefined;
	} catch {
		return undefined;
	}
}
