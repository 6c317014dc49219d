/**
 * `qubes-lite logs VM`: what its vmm, its helpers and our broker have said, or its serial console. No broker is asked: of a
 * vm that is up the rings in its directory are read, of another the logs that were kept of its last boot; where systemd
 * keeps it, journalctl shows them.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { noSuchVm, parseVmName } from "../config/vm-name.ts";
import { QubesLiteError } from "../errors.ts";
import { stateDirectoryOf } from "../host/xdg.ts";
import { ringFileBytes, vmFiles } from "../launch-plan.ts";
import { openRuntimeDirectory } from "../runtime-directory.ts";
import { BrokerLines } from "./broker-lines.ts";
import { configuredNames } from "./configured-names.ts";
import { DirectoryChanges } from "./directory-changes.ts";
import { lastLinesOf, RingReader, readLastLines } from "./follow-ring.ts";
import { isUnitUp, journalProblem, lastJournalMs, showJournal } from "./journal.ts";
import { watchReader } from "./stdout-reader.ts";
import { StdoutSink } from "./stdout-sink.ts";

export interface LogOptions {
	/** As it was typed. */
	readonly vm: string;
	/** Goes on with what comes, also with the vm's next boots, until it is interrupted. */
	readonly follow: boolean;
	/** The serial console instead. */
	readonly console: boolean;
	/** null: all, or the last 10 to follow, as with journalctl and tail. */
	readonly lines: number | null;
}

const followedLines = 10;
/** More than a ring, or the broker's log with its predecessor, ever holds: a guest that floods can't make us read for ever. */
const readMaxBytes = 8 * ringFileBytes;
/** A kept log that is this much newer than the journal's last word is of a boot that systemd had nothing to do with. */
const newerMs = 30_000;

interface Places {
	/** The vm's own directory, while it is up. */
	readonly live: string;
	readonly state: string;
	/** Where the kept logs are. */
	readonly kept: string;
}

/** `-n`'s word; undefined where it is no number of lines. */
export const parseLineCount = (word: string): number | undefined => (/^\d{1,9}$/.test(word) ? Number(word) : undefined);

/** Resolves with the exit status, with `follow` only when nobody reads any more. Throws BadName, NoSuchVm. */
export async function showLogs(options: LogOptions): Promise<number> {
	const vm = parseVmName(options.vm);
	const state = stateDirectoryOf(process.env);
	const places = { live: join(openRuntimeDirectory(process.env), vm), state, kept: join(state, "logs") };
	if (!options.console && (await isInJournal(vm, places))) return showJournal(vm, options);
	const name = options.console ? vmFiles.console : vmFiles.log;
	const broker = options.console ? undefined : new BrokerSource(vm, places.state);
	const ring = new RingReader(join(places.live, name));
	const kept = new RingReader(keptPath(places, vm, name));
	try {
		const changes = new DirectoryChanges([places.live, places.state]);
		try {
			const limit = options.lines ?? (options.follow ? followedLines : null);
			const said = (await broker?.readAll()) ?? Buffer.of();
			if (said.length === 0) await checkKnown(vm, places);
			// A vmm that is up and says nothing has an empty log, not that of the boot before.
			const isUp = modifiedMs(join(places.live, name)) !== undefined;
			const all = Buffer.concat([said, await readLastLines(isUp ? ring : kept, null, readMaxBytes)]);
			const sink = new StdoutSink(false);
			if (all.length === 0 && !options.follow) await tellNothing(options);
			if (!(await sink.write(limit === null ? all : lastLinesOf(all, limit))) || !options.follow) return 0;
			await follow(broker === undefined ? [ring] : [broker, ring], changes, sink);
			return 0;
		} finally {
			changes.close();
		}
	} finally {
		await Promise.all([ring.close(), kept.close(), broker?.close()]);
	}
}

/** A journal that can't be read may have more than our files. */
async function tellNothing({ vm, console }: LogOptions): Promise<void> {
	const problem = console ? undefined : await journalProblem(vm);
	const why = problem === undefined ? "" : `, and the journal can't be read: ${problem}`;
	process.stderr.write(`qubes-lite: nothing is logged of ${vm}${why}\n`);
}

/** Anything that gives what is new, piece by piece. */
interface Source {
	read(): Promise<Buffer | undefined>;
}

/** Until nobody reads any more. */
async function follow(sources: readonly Source[], changes: DirectoryChanges, sink: StdoutSink): Promise<void> {
	let isRead = true;
	watchReader(() => {
		isRead = false;
		changes.wake();
	});
	while (isRead) {
		for (const source of sources) {
			for (let bytes = await source.read(); bytes !== undefined; bytes = await source.read()) {
				if (bytes.length > 0 && !(await sink.write(bytes))) return;
			}
		}
		await changes.next();
	}
}

/** The broker's lines about the vm. */
class BrokerSource implements Source {
	readonly #reader: RingReader;
	readonly #lines: BrokerLines;

	constructor(vm: string, state: string) {
		this.#reader = new RingReader(join(state, "broker.log"));
		this.#lines = new BrokerLines(vm);
	}

	/** Empty where what is new is not about the vm. */
	async read(): Promise<Buffer | undefined> {
		const bytes = await this.#reader.read();
		return bytes === undefined ? undefined : this.#lines.push(bytes);
	}

	async readAll(): Promise<Buffer> {
		return this.#lines.push(await readLastLines(this.#reader, null, readMaxBytes));
	}

	close(): Promise<void> {
		return this.#reader.close();
	}
}

const keptPath = ({ kept }: Places, vm: string, name: string): string => join(kept, `${vm}.${name}`);

/** Whether systemd keeps the vm, or did so at its last boot, and its journal may be read. */
async function isInJournal(vm: string, places: Places): Promise<boolean> {
	if (modifiedMs(places.live) !== undefined) return (await isUnitUp(vm)) && (await lastJournalMs(vm)) !== undefined;
	const saidMs = await lastJournalMs(vm);
	return saidMs !== undefined && (modifiedMs(keptPath(places, vm, vmFiles.log)) ?? 0) < saidMs + newerMs;
}

const modifiedMs = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.mtimeMs;

/** Throws NoSuchVm for a name that neither the disk nor the configuration knows. */
async function checkKnown(vm: string, places: Places): Promise<void> {
	const traces = [places.live, keptPath(places, vm, vmFiles.log), keptPath(places, vm, vmFiles.console)];
	if (traces.some((path) => modifiedMs(path) !== undefined)) return;
	const names = await configuredNames();
	if (names?.includes(vm) === true) return;
	if (names !== undefined) throw noSuchVm(vm, names);
	throw new QubesLiteError("NoSuchVm", `nothing is logged of a vm '${vm}', and the configuration can't be read`, {
		remedy: "qubes-lite ls",
	});
}
