/** Why a guest opens no session, or tells nothing more of one. */
import { QubesLiteError } from "../../errors.ts";
import type { Failure } from "../../protocol/session.ts";
import { toSafeLine } from "../safe-line.ts";

/** The guest's own words on why it starts nothing. */
const failureMaxLength = 300;

/** Somebody is connected to the session. */
export class SessionTaken extends QubesLiteError {
	constructor(words: string) {
		super("Busy", words);
	}
}

export class TicketExpired extends QubesLiteError {
	constructor() {
		super("Busy", "two tickets expired before they could be used");
	}
}

export const lostSession = (): QubesLiteError =>
	new QubesLiteError("Internal", "the guest closed the connection before the command's exit status came");

export function toFailure(failure: Failure, message: string): QubesLiteError {
	const words = toSafeLine(message).slice(0, failureMaxLength);
	if (failure === "expired") return new TicketExpired();
	if (failure === "limit") return new QubesLiteError("Limit", words);
	if (failure === "busy") return new SessionTaken(words);
	if (failure === "noSession") return new QubesLiteError("NotRunning", words);
	return new QubesLiteError(failure === "internal" || failure === "refused" ? "Internal" : "BadRequest", words);
}
