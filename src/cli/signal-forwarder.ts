/**
 * Signals that we get, on their way to the command. Before it runs they mean us: the run is given up, with the status
 * that a command has which such a signal ends.
 */
import { type SignalName, signalNames } from "../protocol/signals.ts";

/** What is done about a signal. */
export interface SignalHandler {
	/** To the command. */
	forward(signal: SignalName): void;
	/** The size of our terminal may have changed. */
	resized(): void;
	/** We are about to be stopped (Ctrl-Z), and go on again. */
	suspending(): void;
	resumed(): void;
	/** Who sends it insists: the command is to be left, whatever it does. */
	insisted(signal: SignalName): void;
}

/** They change nothing for who waits. */
const harmless: readonly SignalName[] = ["SIGWINCH", "SIGCONT"];

/** So often within so long is no way to speak to a program: a guest that has frozen must not hold its user. */
const insistence = { times: 3, withinMs: 2_000 };
const insistent: readonly SignalName[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

export class SignalForwarder {
	readonly #interrupted: (signal: SignalName) => void;
	readonly #listeners = new Map<SignalName, () => void>();
	readonly #now: () => number;
	#recent: { readonly signal: SignalName; readonly at: number }[] = [];
	#handler: SignalHandler | undefined;

	/** `interrupted` is called for a signal that comes while nothing runs; those in `ignored` do nothing at all. */
	constructor(interrupted: (signal: SignalName) => void, ignored: readonly SignalName[], now: () => number) {
		this.#interrupted = interrupted;
		this.#now = now;
		for (const signal of signalNames) {
			const listener = ignored.includes(signal) ? (): void => {} : (): void => this.#take(signal);
			this.#listeners.set(signal, listener);
			process.on(signal, listener);
		}
	}

	/** From now on the command is meant. */
	use(handler: SignalHandler): void {
		this.#handler = handler;
	}

	/** The command has ended. */
	release(): void {
		this.#handler = undefined;
	}

	/** All is said: from here on signals do to us what they do to any program. */
	end(): void {
		for (const [signal, listener] of this.#listeners) process.off(signal, listener);
	}

	#take(signal: SignalName): void {
		const handler = this.#handler;
		if (signal === "SIGTSTP") {
			handler?.forward(signal);
			handler?.suspending();
			this.#stopOurselves();
			/** Where nothing could stop us, nothing would let it go on. */
			handler?.forward("SIGCONT");
		} else if (handler === undefined) {
			if (!harmless.includes(signal)) this.#interrupted(signal);
		} else if (signal === "SIGWINCH") {
			handler.resized();
		} else {
			if (signal === "SIGCONT") handler.resumed();
			handler.forward(signal);
			if (this.#isInsisting(signal)) handler.insisted(signal);
		}
	}

	/** What the signal does where nobody has asked to hear of it: it stops us, unless no shell is there to let us go on. */
	#stopOurselves(): void {
		const listener = this.#listeners.get("SIGTSTP") as () => void;
		process.off("SIGTSTP", listener);
		process.kill(process.pid, "SIGTSTP");
		process.on("SIGTSTP", listener);
	}

	#isInsisting(signal: SignalName): boolean {
		if (!insistent.includes(signal)) return false;
		const at = this.#now();
		this.#recent = [
			...this.#recent.filter((one) => one.signal === signal && at - one.at < insistence.withinMs),
			{ signal, at },
		];
		return this.#recent.length >= insistence.times;
	}
}
