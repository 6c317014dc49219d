/** A command's output on its way to the client, no faster than the client consumes it. */
import { Socket } from "node:net";
import { encodeFrame, frameHeaderBytes } from "../../protocol/frame.ts";
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

	constructor(socket: Socket, stdout: number, stderr: number) {
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
		this.#quiet = undefined;
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
	/** The block that the kernel reads into next. */
	#block = takeBlock();
	readonly ended: Promise<void>;

	constructor(socket: Socket, fd: number, output: Output, moved: () => void) {
		const type = frameTypes[output];
		const stream = new Socket({
			fd,
			readable: true,
			writable: false,
			onread: {
				buffer: () => {
					this.#block = takeBlock();
					return this.#block.subarray(frameHeaderBytes);
				},
				callback: (bytes) => {
					writeBlock(socket, type.data, this.#block, bytes);
					this.#window.sent(bytes);
					moved();
					return this.#window.isOpen;
				},
			},
		});
		this.#stream = stream;
		stream.on("error", () => stream.destroy());
		this.ended = new Promise((resolve) => {
			stream.once("close", () => {
				if (!socket.destroyed) socket.write(encodeFrame(type.eof));
				resolve();
			});
		});
		stream.resume();
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

/**
 * Blocks go round: read into behind a frame's header, written with it, read into again. A fresh 64 KiB for each read costs
 * a third of the throughput where the guest is emulated.
 */
const blockBytes = frameHeaderBytes + 64 * 1024;
const sparesMax = 32;
const spares: Buffer[] = [];

function takeBlock(): Buffer {
	return spares.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
}

function giveBack(block: Buffer): void {
	if (spares.length < sparesMax) spares.push(block);
}

function writeBlock(socket: Socket, type: number, block: Buffer, bytes: number): void {
	if (socket.destroyed) {
		giveBack(block);
		return;
	}
	block.writeUInt8(type, 0);
	block.writeUInt32BE(bytes, 1);
	socket.write(block.subarray(0, frameHeaderBytes + bytes), () => giveBack(block));
}
