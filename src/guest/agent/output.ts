/** A command's output on its way to the client, with the socket's own back-pressure: never read faster than written. */
import type { Socket } from "node:net";
import { frameHeaderBytes } from "../../protocol/frame.ts";

/** The bytes after which the reader must wait for 'drain' are the socket's own high-water mark. */
export function writeFrame(socket: Socket, type: number, payload: Buffer): boolean {
	const header = Buffer.allocUnsafe(frameHeaderBytes);
	header.writeUInt8(type, 0);
	header.writeUInt32BE(payload.length, 1);
	socket.cork();
	socket.write(header);
	const flows = socket.write(payload);
	socket.uncork();
	return flows;
}

/**
 * The command has ended, but somebody it left behind may hold its output open for ever. Its own last words are in the
 * pipe by then, so: once this long nothing has come although we were reading, the stream is over for this session.
 */
const quietMs = 250;

export class OutputPump {
	readonly #streams: readonly Socket[];
	#open: number;
	#paused = false;
	#quiet: NodeJS.Timeout | undefined;
	#commandEnded = false;
	readonly drained: Promise<void>;
	#resolve: () => void = () => {};

	/** `onEnd` is called once for each stream, by its index, before `drained` resolves. */
	constructor(
		socket: Socket,
		streams: readonly { readonly stream: Socket; readonly type: number; readonly eofType: number }[],
	) {
		this.#streams = streams.map((entry) => entry.stream);
		this.#open = streams.length;
		this.drained = new Promise((resolve) => {
			this.#resolve = resolve;
		});
		for (const { stream, type, eofType } of streams) {
			stream.on("data", (chunk: Buffer) => {
				this.#restartQuiet();
				if (!writeFrame(socket, type, chunk)) this.#pause(socket);
			});
			stream.on("error", () => stream.destroy());
			stream.once("close", () => {
				socket.write(Buffer.from([eofType, 0, 0, 0, 0]));
				this.#open -= 1;
				if (this.#open === 0) this.#finish();
			});
		}
	}

	commandEnded(): void {
		this.#commandEnded = true;
		this.#restartQuiet();
	}

	/** The client is gone: nobody reads any more. */
	destroy(): void {
		for (const stream of this.#streams) stream.destroy();
	}

	#pause(socket: Socket): void {
		if (this.#paused) return;
		this.#paused = true;
		clearTimeout(this.#quiet);
		for (const stream of this.#streams) stream.pause();
		socket.once("drain", () => {
			this.#paused = false;
			for (const stream of this.#streams) stream.resume();
			this.#restartQuiet();
		});
	}

	#restartQuiet(): void {
		if (!this.#commandEnded || this.#paused || this.#open === 0) return;
		clearTimeout(this.#quiet);
		this.#quiet = setTimeout(() => this.destroy(), quietMs);
	}

	#finish(): void {
		clearTimeout(this.#quiet);
		this.#resolve();
	}
}
