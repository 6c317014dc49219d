/** A copy that a signal has broken off: whoever catches it last ends by that signal. */
import { QubesLiteError } from "../../errors.ts";

export class Interrupted extends QubesLiteError {
	readonly signal: NodeJS.Signals;

	/** `far`: what of it is there. */
	constructor(signal: NodeJS.Signals, far: string) {
		super("Internal", `interrupted by ${signal}: ${far}`);
		this.signal = signal;
	}
}
