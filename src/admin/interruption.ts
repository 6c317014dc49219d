/** Signals that come while files are changed: work ends between two of its steps, with all as it was before, or it is done. */
import { QubesLiteError } from "../errors.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Signal = (typeof signals)[number];

/** Whoever catches it last ends by that signal. */
export class Interrupted extends QubesLiteError {
	readonly signal: Signal;

	constructor(signal: Signal, state: string, cause?: unknown) {
		super("Internal", `interrupted by ${signal}: ${state}`, { cause });
		this.signal = signal;
	}
}

/**
 * Runs `work`, which is to throw what its signal says where it can still put all back. Rejects with Interrupted where a signal
 * came, whether `work` was broken off by it or had gone too far for that.
 */
export async function whileInterruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
	const controller = new AbortController();
	let first: Signal | undefined;
	const note = (signal: Signal): void => {
		first ??= signal;
		controller.abort(new Interrupted(first, "all is as it was before"));
	};
	for (const signal of signals) process.on(signal, note);
	try {
		const result = await work(controller.signal);
		if (first !== undefined) throw new Interrupted(first, "all was done already");
		return result;
	} catch (cause) {
		// Keys reach the programs that we ask, too: what those say then is not the reason.
		if (first === undefined || cause instanceof Interrupted) throw cause;
		throw new Interrupted(first, "all is as it was before", cause);
	} finally {
		for (const signal of signals) process.off(signal, note);
	}
}

/** Ends this process as the signal would have. */
export function endBy({ signal }: Interrupted): void {
	process.kill(process.pid, signal);
}
