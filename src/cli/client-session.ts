/** The client's end of a session: exec out, streams both ways, and how the command ended. */
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { QubesLiteError } from "../errors.ts";
import { encodeFrame, type Frame, FrameDecoder } from "../protocol/frame.ts";
import { dataMaxBytes, protocolVersion } from "../protocol/limits.ts";
import {
	type CommandEnd,
	encodeSessionHello,
	encodeTicketedExec,
	type Failure,
	parseExit,
	parseFailed,
	sessionFrame,
	toClientLimits,
} from "../protocol/session.ts";

export type SessionEnd =
	| { readonly kind: "ended"; readonly end: CommandEnd; readonly guestMicros: number }
	| { readonly kind: "failed"; readonly failure: Failure; readonly message: string }
	/** The connection closed without an exit frame: never a success. */
	| { readonly kind: "lost" }
	/** Nobody reads our standard output any more (EPIPE): what SIGPIPE is to a local command. */
	| { readonly kind: "outputClosed" };

export interface SessionStreams {
	/** null: the command gets an empty standard input. */
	readonly stdin: Readable | null;
	readonly stdout: Writable;
	readonly stderr: Writable;
	/** Called when the command is about to speak or has started. */
	readonly onStarted: () => void;
}

/** Resolves with the end; by then all output has been written. Rejects only on a peer that breaks the protocol. */
export async function runSession(
	socket: Socket,
	ticket: Buffer,
	exec: Buffer,
	streams: SessionStreams,
): Promise<SessionEnd> {
	const decoder = new FrameDecoder(toClientLimits);
	let stopInput = (): void => {};
	try {
		return await new Promise<SessionEnd>((resolve, reject) => {
			const receive = (frame: Frame): void => {
				switch (frame.type) {
					case sessionFrame.started:
						streams.onStarted();
						return;
					case sessionFrame.stdout:
						write(socket, streams.stdout, frame.payload, () => resolve({ kind: "outputClosed" }));
						return;
					case sessionFrame.stderr:
						write(socket, streams.stderr, frame.payload, () => {});
						return;
					case sessionFrame.exit:
						resolve({ kind: "ended", ...parseExit(frame.payload) });
						return;
					case sessionFrame.failed:
						resolve({ kind: "failed", ...parseFailed(frame.payload) });
				}
			};
			socket.on("data", (chunk: Buffer) => {
				try {
					for (const frame of decoder.push(chunk)) receive(frame);
				} catch (cause) {
					reject(QubesLiteError.from(cause));
				}
			});
			socket.once("close", () => resolve({ kind: "lost" }));
			socket.on("error", () => {});
			socket.write(Buffer.concat([encodeSessionHello(protocolVersion), encodeTicketedExec(ticket, exec)]));
			stopInput = sendInput(socket, streams.stdin);
			socket.resume();
		});
	} finally {
		stopInput();
		socket.destroy();
	}
}

/** A slow reader of ours slows the guest: we read no further until it has taken what we gave it. */
function write(socket: Socket, target: Writable, payload: Buffer, onClosed: () => void): void {
	const flows = target.write(payload, (error) => {
		if (error !== null && error !== undefined) onClosed();
	});
	if (flows) return;
	socket.pause();
	target.once("drain", () => socket.resume());
}

/** Standard input as frames, no faster than the guest takes it; returns how to stop. */
function sendInput(socket: Socket, stdin: Readable | null): () => void {
	if (stdin === null) {
		socket.write(encodeFrame(sessionFrame.stdinEof));
		return () => {};
	}
	const end = (): void => {
		if (!socket.destroyed) socket.write(encodeFrame(sessionFrame.stdinEof));
	};
	stdin.on("data", (chunk: Buffer) => {
		let flows = true;
		for (let at = 0; at < chunk.length; at += dataMaxBytes) {
			flows = socket.write(encodeFrame(sessionFrame.stdin, chunk.subarray(at, at + dataMaxBytes)));
		}
		if (flows || socket.destroyed) return;
		stdin.pause();
		socket.once("drain", () => stdin.resume());
	});
	stdin.once("end", end);
	/** A closed or unreadable standard input is an empty one. */
	stdin.once("error", end);
	return () => {
		stdin.removeAllListeners("data");
		stdin.pause();
		stdin.destroy();
	};
}
