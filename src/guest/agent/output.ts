/** A command's output on its way to the client, no faster than the client consumes it; or kept, where there is none. */
import type { Socket } from "node:net";
import { encodeFrame, frameHeaderBytes } from "../../protocol/frame.ts";
import { dataMaxBytes } from "../../protocol/limits.ts";
import { OutputRing } from "../../protocol/output-ring.ts";
import { type Stream, sessionFrame } from "../../protocol/session.ts";
import { SendWindow } from "../../protocol/stream-window.ts";
import { giveBack, takeBlock } from "./blocks.ts";
import type { OutputSource } from "./command.ts";

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

export interface OutputSources {
	readonly stdout: OutputSource;
	/** null with a terminal, which has only one output. */
	readonly stderr: OutputSource | null;
	/** Keeps the last bytes of each for a client that comes later; else the outputs are closed when the client leaves. */
	readonly isKept: boolean;
}

/** Both outputs of a command, until each has been closed by its last writer, or is quiet after the command's end. */
export class OutputPump {
	readonly #sources: Readonly<Record<Output, Source>>;
	#quiet: NodeJS.Timeout | undefined;
	#commandEnded = false;
	/** Resolves when both have ended, and their ends have been told. */
	readonly drained: Promise<unknown>;

	/** Nothing is read before a client is attached. */
	constructor({ stdout, stderr, isKept }: OutputSources) {
		const moved = (): void => this.#restartQuiet();
		this.#sources = {
			stdout: new Source(stdout, "stdout", isKept, moved),
			stderr: new Source(stderr, "stderr", isKept, moved),
		};
		this.drained = Promise.all([this.#sources.stdout.ended, this.#sources.stderr.ended]).then(() =>
			clearTimeout(this.#quiet),
		);
	}

	/** Bytes of each output that are gone for a client that comes now. */
	get lost(): { stdout: number; stderr: number } {
		return { stdout: this.#sources.stdout.lost, stderr: this.#sources.stderr.lost };
	}

	/** What was kept goes to the client first, then what comes. */
	attach(client: Socket): void {
		for (const source of this.#all()) source.attach(client);
		this.#restartQuiet();
	}

	/** The client has left. */
	detach(): void {
		for (const source of this.#all()) source.detach();
		this.#restartQuiet();
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

	#all(): Source[] {
		return Object.values(this.#sources);
	}

	/** Time in which a source waits for the client does not count as quiet. */
	#restartQuiet(): void {
		clearTimeout(this.#quiet);
		this.#quiet = undefined;
		if (!this.#commandEnded || this.#all().some((source) => source.isWaiting)) return;
		const quiet = setTimeout(() => {
			/** After a stall the timer is due before what came meanwhile has been read: one turn of the loop reads it. */
			setImmediate(() => {
				if (this.#quiet === quiet) for (const source of this.#all()) source.close();
			});
		}, quietMs);
		this.#quiet = quiet;
	}
}

class Source {
	readonly #types: { readonly data: number; readonly eof: number };
	readonly #ring: OutputRing | undefined;
	readonly #stream: Socket | undefined;
	#isOpen: boolean;
	#client: { readonly socket: Socket; readonly window: SendWindow } | undefined;
	/** The block that the kernel reads into next. */
	#block = takeBlock();
	readonly ended: Promise<void>;

	constructor(open: OutputSource | null, output: Output, isKept: boolean, moved: () => void) {
		this.#types = frameTypes[output];
		this.#ring = isKept ? new OutputRing() : undefined;
		this.#isOpen = open !== null;
		if (open === null) {
			this.ended = Promise.resolve();
			return;
		}
		const stream = open({
			buffer: () => {
				this.#block = takeBlock();
				return this.#block.subarray(frameHeaderBytes);
			},
			callback: (bytes) => {
				this.#take(bytes);
				moved();
				return this.#client === undefined || this.#client.window.isOpen;
			},
		});
		this.#stream = stream;
		this.ended = new Promise((resolve) => {
			stream.once("close", () => {
				this.#isOpen = false;
				this.#send(encodeFrame(this.#types.eof));
				resolve();
			});
		});
	}

	get isWaiting(): boolean {
		return this.#isOpen && this.#client !== undefined && !this.#client.window.isOpen;
	}

	get lost(): number {
		return this.#ring?.dropped ?? 0;
	}

	attach(socket: Socket): void {
		const window = new SendWindow();
		this.#client = { socket, window };
		const kept = this.#ring?.contents() ?? Buffer.alloc(0);
		for (let at = 0; at < kept.length; at += dataMaxBytes) {
			this.#send(encodeFrame(this.#types.data, kept.subarray(at, at + dataMaxBytes)));
		}
		window.sent(kept.length);
		if (this.#isOpen) this.#stream?.resume();
		else this.#send(encodeFrame(this.#types.eof));
	}

	/** Output that nobody will ever read is closed: who writes it learns so by SIGPIPE. */
	detach(): void {
		this.#client = undefined;
		if (this.#ring === undefined) this.close();
		else this.#stream?.resume();
	}

	credited(bytes: number): void {
		if (this.#client?.window.credited(bytes) === true) this.#stream?.resume();
	}

	close(): void {
		this.#stream?.destroy();
	}

	#take(bytes: number): void {
		const block = this.#block;
		this.#ring?.append(block.subarray(frameHeaderBytes, frameHeaderBytes + bytes));
		if (this.#client === undefined) {
			giveBack(block);
			return;
		}
		writeBlock(this.#client.socket, this.#types.data, block, bytes);
		this.#client.window.sent(bytes);
	}

	#send(frame: Buffer): void {
		const socket = this.#client?.socket;
		if (socket?.destroyed === false) socket.write(frame);
	}
}

/** A block is read into behind room for a frame's header, and written with it. */
function writeBlock(socket: Socket, type: number, block: Buffer, bytes: number): void {
	if (socket.destroyed) {
		giveBack(block);
		return;
	}
	block.writeUInt8(type, 0);
	block.writeUInt32BE(bytes, 1);
	socket.write(block.subarray(0, frameHeaderBytes + bytes), () => giveBack(block));
}
