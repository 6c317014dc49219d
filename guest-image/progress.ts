/**
 * Progress of a build on standard error: one line per step with its seconds, and on a terminal the running step as a
 * live line. Pipes, TERM=dumb and NO_COLOR get no escape byte.
 */

export interface Progress {
	/**
	 * Runs `work` as one step. `note` sets what stands behind its name, while it runs and afterwards; the step's line
	 * appears when `work` has succeeded.
	 */
	step<T>(name: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>;
	/** A line of its own. */
	say(line: string): void;
}

export interface ProgressOptions {
	readonly write: (text: string) => void;
	/** Show a line that changes in place. */
	readonly isLive: boolean;
	/** Milliseconds on a clock that only runs forward. */
	readonly now: () => number;
}

/** Often enough for tenths of a second to look alive. */
const redrawMs = 200;
const nameWidth = 10;

export function createProgress({ write, isLive, now }: ProgressOptions): Progress {
	const eraseLine = "\r\x1b[K";
	return {
		say(line) {
			write(`${line}\n`);
		},

		async step(name, work) {
			const start = now();
			let text = "";
			const line = (): string => {
				const seconds = `${((now() - start) / 1000).toFixed(1)} s`;
				return `${name.padEnd(nameWidth)} ${seconds.padStart(7)}  ${text}`.trimEnd();
			};
			const timer = isLive ? setInterval(() => write(eraseLine + line()), redrawMs) : undefined;
			try {
				const result = await work((next) => {
					text = next;
				});
				write(`${isLive ? eraseLine : ""}${line()}\n`);
				return result;
			} catch (error) {
				if (isLive) write(eraseLine);
				throw error;
			} finally {
				clearInterval(timer);
			}
		},
	};
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
