/**
 * The one error class. Every failure that a person or a program may see has a closed code (the same on the command
 * line, the socket and D-Bus), one sentence that says what went wrong, and, where one helps, a remedy to act on.
 */

export const errorCodes = [
	"NoSuchVm",
	"BadName",
	"BadRequest",
	"Denied",
	"NotRunning",
	"BootTimeout",
	"BootFailed",
	"Unresponsive",
	"Limit",
	"Unsupported",
	"Busy",
	"Internal",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Flat facts, as they travel in JSON. */
export interface ErrorFacts {
	code: ErrorCode;
	/** One sentence or more, no trailing newline; may hold line breaks where it quotes a console. */
	message: string;
	/** What to do about it, best a command to paste. */
	remedy?: string;
}

export class QubesLiteError extends Error {
	readonly code: ErrorCode;
	readonly remedy: string | undefined;

	constructor(code: ErrorCode, message: string, options: { remedy?: string | undefined; cause?: unknown } = {}) {
		super(message, options.cause === undefined ? undefined : { cause: options.cause });
		this.name = "QubesLiteError";
		this.code = code;
		this.remedy = options.remedy;
	}

	/** Any thrown value as one of ours; a stranger becomes `Internal` with its own message and itself as the cause. */
	static from(value: unknown): QubesLiteError {
		if (value instanceof QubesLiteError) return value;
		const message = value instanceof Error ? value.message : String(value);
		return new QubesLiteError("Internal", message, { cause: value });
	}

	/** Facts that came over a wire; an unknown code becomes `Internal`. */
	static fromFacts(facts: { code: string; message: string; remedy?: string | undefined }): QubesLiteError {
		const code = errorCodes.find((known) => known === facts.code) ?? "Internal";
		return new QubesLiteError(code, facts.message, { remedy: facts.remedy });
	}

	toFacts(): ErrorFacts {
		const facts: ErrorFacts = { code: this.code, message: this.message };
		if (this.remedy !== undefined) facts.remedy = this.remedy;
		return facts;
	}
}

/** run-in-vm's own exit statuses; every other status is the command's (contracts: exit status). */
export const exitStatus = {
	/** The boot did not reach ready within bootTimeout or `--timeout`. */
	timedOut: 124,
	/** qubes-lite's own fault: no such vm, denied, boot failed, exit frame lost, bad usage. */
	ownFault: 125,
	notExecutable: 126,
	notFound: 127,
	/** A command that a signal ended has 128 + the signal's number. */
	signalBase: 128,
} as const;

/** The exit status of run-in-vm for an error of ours. */
export function exitStatusOf(error: QubesLiteError): number {
	return error.code === "BootTimeout" ? exitStatus.timedOut : exitStatus.ownFault;
}

/** The errno name of a system error ("ENOENT"), else undefined. */
export function errnoOf(value: unknown): string | undefined {
	if (!(value instanceof Error) || !("code" in value)) return undefined;
	return typeof value.code === "string" ? value.code : undefined;
}
