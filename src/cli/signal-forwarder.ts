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
}

/** They change nothing for who waits. */
const harmless: readonly SignalName[] = ["SIGWINCH", "SIGCONT"];

export class SignalForwarder {
	readonly #interrupted: (signal: SignalName) => void;
	#handler: SignalHandler | undefined;

	/** `interrupted` is called for a signal that comes while nothing runs. */
	constructor(interrupted: (signal: SignalName) => void) {
		this.#interrupted = interrupted;
		for (const signal of signalNames) process.on(signal, () => this.#take(signal));
	}

	/** From now on the command is meant. */
	use(handler: SignalHandler): void {
		this.#handler = handler;
	}

	/** The command has ended. */
	release(): void {
		this.#handler = undefined;
	}

	#take(signal: SignalName): void {
		const handler = this.#handler;
		if (signal === "SIGTSTP") {
			handler?.forward(signal);
			handler?.suspending();
			/** What the signal would have done, had we not asked to hear of it. */
			process.kill(process.pid, "SIGSTOP");
		} else if (handler === undefined) {
			if (!harmless.includes(signal)) this.#interrupted(signal);
		} else if (signal === "SIGWINCH") {
			handler.resized();
		} else {
			if (signal === "SIGCONT") handler.resumed();
			handler.forward(signal);
		}
	}
}
