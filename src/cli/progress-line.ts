/** "Starting shopping… kernel 1.4 s of about 2.6 s": one line on a terminal's stderr, from 300 ms on, erased when the command speaks. */
import type { WriteStream } from "node:tty";
import { phaseWords } from "../protocol/boot-phases.ts";
import type { Progress } from "../protocol/broker.ts";
import { formatTenths } from "../terminal/columns.ts";
import { cutToWidth } from "../terminal/text-width.ts";

const afterMs = 300;
const everyMs = 100;
/** Return, then erase the line (ECMA-48 EL). */
const erase = "\r\x1b[2K";

/** What a phase means to the one who waits for a vm to be up. */
const whileStarting: Readonly<Record<string, string>> = {
	stopped: "starting",
	failed: "starting",
	...phaseWords,
	ready: "reaching its agent",
	shutdown: "waiting for its shutdown to end",
};

/** And for it to be gone: more than this the broker does not say. */
const whileStopping: Readonly<Record<string, string>> = { shutdown: "shutting down" };

const words = {
	Starting: whileStarting,
	Stopping: whileStopping,
	Restarting: { ...whileStarting, ...whileStopping },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type Task = keyof typeof words;

export interface Work {
	readonly task: Task;
	/** As a person calls them. */
	readonly vms: readonly string[];
}

export class ProgressLine {
	readonly #stream: WriteStream;
	readonly #task: Task;
	/** Those that are not done, with what they are at, and when they are to be done (performance.now(); Infinity: that is not known). */
	readonly #vms: Map<string, { readonly word: string; readonly expectedAt: number }>;
	readonly #beganAt = performance.now();
	#shown = false;
	#timer: NodeJS.Timeout | undefined;

	/** null where nothing must be shown: a pipe, TERM=dumb, NO_COLOR, or `-q`. */
	static on(stream: WriteStream, work: Work, quiet: boolean, env: NodeJS.ProcessEnv): ProgressLine | null {
		if (quiet || !stream.isTTY || env.TERM === "dumb" || (env.NO_COLOR ?? "") !== "") return null;
		return new ProgressLine(stream, work);
	}

	private constructor(stream: WriteStream, { task, vms }: Work) {
		this.#stream = stream;
		this.#task = task;
		this.#vms = new Map(vms.map((vm) => [vm, { word: "", expectedAt: Number.POSITIVE_INFINITY }]));
		this.#timer = setTimeout(() => this.#show(), afterMs);
	}

	/** `elapsedMs` is told right now, and counts from the broker's own beginning. */
	note({ phase, elapsedMs, expectedMs }: Progress, vm: string): void {
		if (!this.#vms.has(vm)) return;
		const word = (words[this.#task] as Readonly<Record<string, string>>)[phase];
		const isKnown = word !== undefined && expectedMs !== undefined;
		const expectedAt = isKnown ? performance.now() + expectedMs - elapsedMs : Number.POSITIVE_INFINITY;
		this.#vms.set(vm, { word: word ?? "", expectedAt });
	}

	/** Nobody waits for it any more. */
	done(vm: string): void {
		this.#vms.delete(vm);
	}

	/** Leaves no trace on the terminal. Idempotent. */
	end(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (this.#shown) this.#stream.write(erase);
		this.#shown = false;
	}

	/** Until the last of them is done, on the line's own clock; null where that is not known of each. */
	#expectedMs(): number | null {
		const ms = Math.max(...[...this.#vms.values()].map(({ expectedAt }) => expectedAt)) - this.#beganAt;
		return Number.isFinite(ms) ? ms : null;
	}

	#show(): void {
		this.#shown = true;
		const vms = [...this.#vms].map(([vm, { word }]) => [vm, word] as const);
		const time = formatTime(performance.now() - this.#beganAt, this.#expectedMs());
		const text = formatProgress(this.#task, vms, time);
		/** The last column stays free: a line that fills it may wrap. */
		this.#stream.write(`${erase}${cutToWidth(text, (this.#stream.columns || 80) - 1)}`);
		this.#timer = setTimeout(() => this.#show(), everyMs);
	}
}

/** "1.4 s of about 2.6 s"; of what takes longer "4.1 s (usually 2.6 s)". */
export function formatTime(ms: number, expectedMs: number | null): string {
	if (expectedMs === null) return formatTenths(ms);
	const expected = formatTenths(expectedMs);
	return ms > expectedMs ? `${formatTenths(ms)} (usually ${expected})` : `${formatTenths(ms)} of about ${expected}`;
}

/** "Starting shopping… kernel 1.4 s"; of several "Starting shopping (kernel), vault… 1.4 s". */
export function formatProgress(task: Task, vms: readonly (readonly [string, string])[], time: string): string {
	const [first] = vms;
	if (first !== undefined && vms.length === 1) return `${task} ${first[0]}… ${first[1]} ${time}`;
	const names = vms.map(([vm, phase]) => (phase === "" ? vm : `${vm} (${phase})`)).join(", ");
	return `${task} ${names}… ${time}`;
}
