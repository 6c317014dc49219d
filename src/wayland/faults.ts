/** The two ways a display ends before its time. Either is thrown, and what threw is of no use from then on. */
import { type ErrorCode, QubesLiteError } from "../errors.ts";

/** The guest has broken a rule. Its message ends the sentence "the display of shopping was cut: …". */
export class GuestFault extends QubesLiteError {
	constructor(message: string, code: ErrorCode = "BadRequest") {
		super(code, message);
		this.name = "GuestFault";
	}
}

/** The host's own waypipe or compositor has sent what we don't understand: a fault of ours or of theirs, never of the guest's. */
export class HostFault extends QubesLiteError {
	constructor(message: string) {
		super("Internal", message);
		this.name = "HostFault";
	}
}

/** How one of the two ends is blamed. */
export type Blame = (sentence: string) => Error;

export const blameGuest: Blame = (sentence) => new GuestFault(sentence);
export const blameHost: Blame = (sentence) => new HostFault(sentence);
