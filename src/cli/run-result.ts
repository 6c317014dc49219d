/** How a run ended: its exit status, and the line for `--status-fd`, which says whose status it is without guessing. */
import { fstatSync, readdirSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { exitStatus, exitStatusOf, QubesLiteError } from "../errors.ts";
import type { Failure } from "../protocol/session.ts";
import type { SignalName } from "../protocol/signals.ts";
import type { SessionEnd } from "../session-client/client-session.ts";

export interface RunResult {
	readonly status: number;
	/**
	 * by: "command" (code), "signal" (that ended the command), "start" (it could not be started), "output" (nobody reads
	 * it any more), "interrupted" (by a signal of ours), "detached" (it goes on as session), or "qubes-lite" (code is an
	 * error code).
	 */
	readonly facts: Readonly<Record<string, string | number>>;
}

/** 128 + SIGPIPE (13): what a local command would have ended with. */
const brokenPipeStatus = exitStatus.signalBase + 13;

const failureStatus: Readonly<Record<Failure, number>> = {
	notFound: exitStatus.notFound,
	notExecutable: exitStatus.notExecutable,
	refused: exitStatus.ownFault,
	expired: exitStatus.ownFault,
	limit: exitStatus.ownFault,
	internal: exitStatus.ownFault,
	noSession: exitStatus.ownFault,
	busy: exitStatus.ownFault,
};

export function toResult(end: Exclude<SessionEnd, { readonly kind: "lost" | "left" }>): RunResult {
	switch (end.kind) {
		case "ended": {
			const { guestMicros } = end;
			if ("code" in end.end) return { status: end.end.code, facts: { by: "command", code: end.end.code, guestMicros } };
			const { signal, signalNumber } = end.end;
			return { status: exitStatus.signalBase + signalNumber, facts: { by: "signal", signal, guestMicros } };
		}
		case "failed":
			return { status: failureStatus[end.failure], facts: { by: "start", failure: end.failure } };
		case "outputClosed":
			return { status: brokenPipeStatus, facts: { by: "output" } };
		case "interrupted":
			return toInterruptedResult(end.signal);
	}
}

/** We were told to go: before the command ran, before its output was read, or our terminal went away under it. */
export function toInterruptedResult(signal: SignalName): RunResult {
	return { status: exitStatus.signalBase + constants.signals[signal], facts: { by: "interrupted", signal } };
}

export function toErrorResult(error: QubesLiteError): RunResult {
	return { status: exitStatusOf(error), facts: { by: "qubes-lite", code: error.code } };
}

/** Throws BadRequest where `fd` is not open: better before the run than after it. */
export function checkStatusFd(fd: number | null): void {
	if (fd === null) return;
	let cause: unknown;
	let what = "no such file descriptor is open";
	try {
		const stat = fstatSync(fd);
		const isOurs = isOwnPipe(fd) || !(stat.isFile() || stat.isFIFO() || stat.isSocket() || stat.isCharacterDevice());
		if (!isOurs && isWritable(fd)) return;
		if (!isOurs) what = "it is open for reading only";
	} catch (error) {
		cause = error;
	}
	const remedy = `add ${fd}>FILE to the command`;
	throw new QubesLiteError("BadRequest", `--status-fd ${fd}: ${what}`, { remedy, cause });
}

/** proc_pid_fdinfo(5): the flags of open(2) in octal; the last two bits are the access mode, O_RDONLY is 0. */
function isWritable(fd: number | string): boolean {
	const flags = /^flags:\t([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
	return (Number.parseInt(flags, 8) & 0o3) !== 0;
}

/** Node has pipes of its own, and writing into those is its end; a user's numbers may hit them. It holds both their ends. */
function isOwnPipe(fd: number): boolean {
	const link = (name: number | string): string => readlinkSync(`/proc/self/fd/${name}`);
	const target = link(fd);
	if (!target.startsWith("pipe:")) return false;
	return readdirSync("/proc/self/fd").some((other) => {
		try {
			return other !== String(fd) && link(other) === target && isWritable(other) !== isWritable(fd);
		} catch {
			return false;
		}
	});
}

/** A reader that is gone is no reason for another exit status. */
export function writeStatus(fd: number | null, { status, facts }: RunResult): void {
	if (fd === null) return;
	try {
		writeSync(fd, `${JSON.stringify({ schema: 1, status, ...facts })}\n`);
	} catch {}
}
