/**
 * A session: one command, and the connection to the guest's port 5000 that carries its streams. Both ends say hello; the
 * client then sends exec, or attach to a session that goes on without a client, at once and without waiting. The
 * transport has no half-close and tells a blocked writer nothing, so each end of a stream, the exit and every refusal are
 * frames. The three streams have windows (stream-window.ts): credit gives back what has been consumed.
 *
 *   client → agent   hello, exec | attach, stdin…, stdinEof, resize…, signal…, credit…
 *   agent → client   hello, started | attached | failed, stdout…, stderr…, stdoutEof, stderrEof, credit…, exit
 *
 * With a terminal all output is stdout, and stderr ends at once. exit comes after both output ends, and nothing after it.
 * The client then closes; the agent never does before, because a client that still writes (its input's end, credit) to a
 * closed connection would lose what it has not read. A connection that closes without exit or failed is an error.
 *
 */

import { parseTerminalSize, type TerminalSize } from "./exec.ts";
import { Fields, pidMax } from "./fields.ts";
import { encodeFrame, encodeJsonFrame, type FrameLimits } from "./frame.ts";
import { dataMaxBytes, execMaxBytes, ticketBytes } from "./limits.ts";
import { type SignalName, signalNames } from "./signals.ts";
import { ourVersions, parseVersions, type Versions } from "./version.ts";

export const sessionFrame = {
	hello: 0x01,
	exec: 0x02,
	stdin: 0x03,
	stdinEof: 0x04,
	resize: 0x05,
	signal: 0x06,
	/** Both ways. */
	credit: 0x07,
	attach: 0x08,
	stdout: 0x11,
	stderr: 0x12,
	stdoutEof: 0x13,
	stderrEof: 0x14,
	started: 0x15,
	exit: 0x16,
	failed: 0x17,
	attached: 0x18,
} as const;

const smallBytes = 1024;

export const fromClientLimits: FrameLimits = new Map([
	[sessionFrame.hello, smallBytes],
	[sessionFrame.exec, ticketBytes + execMaxBytes],
	[sessionFrame.stdin, dataMaxBytes],
	[sessionFrame.stdinEof, 0],
	[sessionFrame.resize, smallBytes],
	[sessionFrame.signal, smallBytes],
	[sessionFrame.credit, smallBytes],
	[sessionFrame.attach, ticketBytes + smallBytes],
]);

/** Passed on as they come, however cut (frame.ts). */
export const streamedFromClient: ReadonlySet<number> = new Set([sessionFrame.stdin]);

export const toClientLimits: FrameLimits = new Map([
	[sessionFrame.hello, smallBytes],
	[sessionFrame.stdout, dataMaxBytes],
	[sessionFrame.stderr, dataMaxBytes],
	[sessionFrame.stdoutEof, 0],
	[sessionFrame.stderrEof, 0],
	[sessionFrame.started, smallBytes],
	[sessionFrame.credit, smallBytes],
	[sessionFrame.exit, smallBytes],
	[sessionFrame.failed, 8192],
	[sessionFrame.attached, smallBytes],
]);

export type CommandEnd = { readonly code: number } | { readonly signal: string; readonly signalNumber: number };

export interface Exit {
	readonly end: CommandEnd;
	/** Time in the guest from exec frame received to this frame sent, µs. */
	readonly guestMicros: number;
}

/** Why the agent opened no session or could not start its command. */
export const failures = [
	"notFound",
	"notExecutable",
	"refused",
	"expired",
	"limit",
	"internal",
	/** attach: there is no such session, or its end has been forgotten. */
	"noSession",
	/** attach: the session has a client. */
	"busy",
] as const;
export type Failure = (typeof failures)[number];

/** What the client gets back to: the session as it is, and how much of its output is gone for good. */
export interface Attached {
	readonly pid: number;
	readonly isTerminal: boolean;
	/** Bytes of each output that the agent no longer had room for. */
	readonly lost: { readonly stdout: number; readonly stderr: number };
}

export const encodeSessionHello = (versions: Versions = ourVersions): Buffer =>
	encodeJsonFrame(sessionFrame.hello, versions);
export const parseSessionHello = (payload: Buffer): Versions => parseVersions(Fields.parse("hello", payload));
export const encodeTicketedExec = (ticket: Buffer, exec: Buffer): Buffer =>
	encodeFrame(sessionFrame.exec, Buffer.concat([ticket, exec]));
export const encodeTicketedAttach = (ticket: Buffer, attach: Buffer): Buffer =>
	encodeFrame(sessionFrame.attach, Buffer.concat([ticket, attach]));
export const encodeResize = (size: TerminalSize): Buffer => encodeJsonFrame(sessionFrame.resize, size);
export const encodeSignal = (signal: SignalName): Buffer => encodeJsonFrame(sessionFrame.signal, { signal });
export const encodeStarted = (pid: number): Buffer => encodeJsonFrame(sessionFrame.started, { pid });
export const encodeExit = (exit: Exit): Buffer =>
	encodeJsonFrame(sessionFrame.exit, { ...exit.end, guestMicros: exit.guestMicros });

/** Six bytes a character at most, escaped in JSON: with this the frame is within its limit, whatever the message quotes. */
const failedMessageMax = 1024;

export const encodeFailed = (failure: Failure, message: string): Buffer =>
	encodeJsonFrame(sessionFrame.failed, { failure, message: message.slice(0, failedMessageMax) });

export type Stream = "stdin" | "stdout" | "stderr";
const streams: readonly Stream[] = ["stdin", "stdout", "stderr"];

export const encodeCredit = (stream: Stream, bytes: number): Buffer =>
	encodeJsonFrame(sessionFrame.credit, { stream, bytes });

export function parseCredit(payload: Buffer): { stream: Stream; bytes: number } {
	const fields = Fields.parse("credit", payload);
	return { stream: fields.oneOf("stream", streams), bytes: fields.integer("bytes", 1, 2 ** 31) };
}

/** The bytes behind the ticket are those that the broker has announced: of an exec or an attach. */
export function splitTicketed(payload: Buffer): { ticket: Buffer; bytes: Buffer } {
	return { ticket: payload.subarray(0, ticketBytes), bytes: payload.subarray(ticketBytes) };
}

export const parseResize = (payload: Buffer): TerminalSize => parseTerminalSize(Fields.parse("resize", payload));
export const parseSignal = (payload: Buffer): SignalName =>
	Fields.parse("signal", payload).oneOf("signal", signalNames);

export const encodeAttached = ({ pid, isTerminal, lost }: Attached): Buffer =>
	encodeJsonFrame(sessionFrame.attached, { pid, isTerminal, lost });

export function parseAttached(payload: Buffer): Attached {
	const fields = Fields.parse("attached", payload);
	const lost = fields.object("lost");
	const bytes = (stream: string): number => lost.integer(stream, 0, Number.MAX_SAFE_INTEGER);
	return {
		pid: fields.integer("pid", 1, pidMax),
		isTerminal: fields.boolean("isTerminal"),
		lost: { stdout: bytes("stdout"), stderr: bytes("stderr") },
	};
}

/** Guest-derived: refused where the code is no byte, or the signal's number is none that Linux has. */
export function parseExit(payload: Buffer): Exit {
	const fields = Fields.parse("exit", payload);
	return { end: parseCommandEnd(fields), guestMicros: fields.integer("guestMicros", 0, Number.MAX_SAFE_INTEGER) };
}

export function parseCommandEnd(fields: Fields): CommandEnd {
	if (fields.has("code")) return { code: fields.integer("code", 0, 255) };
	return { signal: fields.string("signal", 16), signalNumber: fields.integer("signalNumber", 1, 64) };
}

export function parseFailed(payload: Buffer): { failure: Failure; message: string } {
	const fields = Fields.parse("failed", payload);
	return { failure: fields.oneOf("failure", failures), message: fields.string("message", 4096) };
}

export const parseStarted = (payload: Buffer): number => Fields.parse("started", payload).integer("pid", 1, pidMax);
