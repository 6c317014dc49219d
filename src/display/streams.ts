/** Between two sockets: what one has not taken makes those wait who say it. */
import type { Socket } from "node:net";

/** Node has this for each piece that waits, about. Many small ones are much. */
const pieceBytes = 256;

export interface OutflowOptions {
	/** Beyond it the sources are not read, until half of it is taken. */
	readonly mostBytes: number;
	/** Whose words make it more: also a guest's own, which are answered. */
	readonly sources: readonly Socket[];
	/** So many bytes more wait, or less. */
	changed?(bytes: number): void;
}

/** What goes to one socket. */
export class Outflow {
	readonly #target: Socket;
	readonly #options: OutflowOptions;
	#waitingBytes = 0;
	#isFull = false;

	constructor(target: Socket, options: OutflowOptions) {
		this.#target = target;
		this.#options = options;
	}

	/** In order. Nothing where its socket has gone. Never throws. */
	give(buffers: readonly Buffer[]): void {
		if (this.#target.destroyed || buffers.length === 0) return;
		const bytes = buffers.reduce((sum, { length }) => sum + length + pieceBytes, 0);
		const last = buffers.length - 1;
		this.#target.cork();
		for (const [index, buffer] of buffers.entries()) {
			if (index < last) this.#target.write(buffer);
			else this.#target.write(buffer, () => this.#count(-bytes));
		}
		this.#target.uncork();
		this.#count(bytes);
	}

	#count(bytes: number): void {
		const { mostBytes, sources, changed } = this.#options;
		this.#waitingBytes += bytes;
		if (this.#waitingBytes > mostBytes) {
			this.#isFull = true;
			// Each time: one may have been resumed since, by what it says to somebody else.
			for (const source of sources) source.pause();
		} else if (this.#isFull && this.#waitingBytes <= mostBytes / 2) {
			this.#isFull = false;
			for (const source of sources) source.resume();
		}
		changed?.(bytes);
	}
}

/** Resolves with what comes first, and it is not read any further; with undefined where it goes before that. */
export const firstBytes = (socket: Socket): Promise<Buffer | undefined> =>
	new Promise((resolve) => {
		const gone = (): void => resolve(undefined);
		socket.once("close", gone).once("data", (chunk: Buffer) => {
			socket.pause().off("close", gone);
			resolve(chunk);
		});
		socket.resume();
	});

/** vhost-device-vsock has taken what was written before by then. */
const letGoMs = 2_000;

/**
 * Ends it in good order: what waits is written, what comes is thrown away. A socket that is closed with something unread in it breaks off for who
 * writes to it, and vhost-device-vsock was seen not to tell the guest's program of that.
 */
export function letGo(socket: Socket): void {
	if (socket.destroyed) return;
	socket.removeAllListeners("data").resume();
	socket.end();
	const late = setTimeout(() => socket.destroy(), letGoMs);
	socket.once("close", () => clearTimeout(late));
}

/** Resolves when it is gone. */
export const closed = (socket: Socket): Promise<void> =>
	new Promise((resolve) => {
		if (socket.destroyed) resolve();
		else socket.once("close", () => resolve());
	});
