/** A command's output on its way to the client, no faster than the client consumes it. */
import type { Socket } from "node:net";
import { frameHeaderBytes } from "../../protocol/frame.ts";
import { type Stream, sessionFrame } from "../../protocol/session.ts";
import { SendWindow } from "../../protocol/stream-window.ts";

/**
 * The command has ended, but somebody it left behind may hold its output open for ever. Its own last words are in the
 * pipe by then, so: once this long nothing has come although we were reading, the stream is over for this session.
 */
const quietMs = 250;

type Output = Exclude<Stream, "stdin">;

const frameTypes: Readonly<Record<Output, { readonly data: number; readonly eof: number }>> = {
	stdout: { data: sessionFrame.stdout, eof: sessionFrame.stdoutEof },
	stderr: { data: sessionFrame.stderr, eof: sessionFrame.stderrEof },
};

/** Both outputs of a command, until each has been closed by its last writer, or is quiet after the command's end. */
export class OutputPump {
	readonly #sources: Readonly<Record<Output, Source>>;
	#quiet: NodeJS.Timeout | undefined;
	#commandEnded = false;
	/** Resolves when both have ended, and their ends have been told. */
	readonly drained: Promise<unknown>;

	constructor(socket: Socket, stdout: Socket, stderr: Socket) {
		const moved = (): void => this.#restartQuiet();
		this.#sources = {
			stdout: new Source(socket, stdout, "stdout", moved),
			stderr: new Source(socket, stderr, "stderr", moved),
		};
		this.drained = Promise.all([this.#sources.stdout.ended, this.#sources.stderr.ended]).then(() =>
			clearTimeout(this.#quiet),
		);
	}

	/** Throws BadRequest on credit that nobody owes. */
	credited(output: Output, bytes: number): void {
		this.#sources[output].credited(bytes);
		this.#restartQuiet();
	}

	commandEnded(): void {
		this.#commandEnded = true;
		this.#restartQuiet();
	}

	/** Nobody reads any more. */
	destroy(): void {
		for (const source of Object.values(this.#sources)) source.destroy();
	}

	/** Time in which a source waits for the client does not count as quiet. */
	#restartQuiet(): void {
		clearTimeout(this.#quiet);
		if (!this.#commandEnded || Object.values(this.#sources).some((source) => source.isWaiting)) return;
		const quiet = setTimeout(() => {
			/** After a stall the timer is due before what came meanwhile has been read: one turn of the loop reads it. */
			setImmediate(() => {
				if (this.#quiet === quiet) this.destroy();
			});
		}, quietMs);
		this.#quiet = quiet;
	}
}

class Source {
	readonly #stream: Socket;
	readonly #window = new SendWindow();
	readonly ended: Promise<void>;

	constructor(socket: Socket, stream: Socket, output: Output, moved: () => void) {
		const type = frameTypes[output];
		this.#stream = stream;
		stream.on("data", (chunk: Buffer) => {
			writeFrame(socket, type.data, chunk);
			this.#window.sent(chunk.length);
			if (!this.#window.isOpen) stream.pause();
			moved();
		});
		stream.on("error", () => stream.destroy());
		this.ended = new Promise((resolve) => {
			stream.once("close", () => {
				writeFrame(socket, type.eof, Buffer.alloc(0));
				resolve();
			});
		});
	}

	get isWaiting(): boolean {
		return !this.#stream.destroyed && !this.#window.isOpen;
	}

	credited(bytes: number): void {
		if (this.#window.credited(bytes)) this.#stream.resume();
	}

	destroy(): void {
		this.#stream.destroy();
	}
}

/** Header and payload in one system call, without a copy of the payload. */
function writeFrame(socket: Socket, type: number, payload: Buffer): void {
	if (socket.destroyed) return;
	const header = Buffer.allocUnsafe(frameHeaderBytes);
	header.writeUInt8(type, 0);
	header.writeUInt32BE(payload.length, 1);
	socket.cork();
	socket.write(header);
	socket.write(payload);
	socket.uncork();
}
