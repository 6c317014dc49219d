/** Between two sockets: what one has not taken makes the other wait. */
import type { Socket } from "node:net";

/** `source` is not read while `target` holds more than `mostBytes`. */
export function give(target: Socket, buffers: readonly Buffer[], mostBytes: number, source: Socket): void {
	if (target.destroyed) return;
	target.cork();
	for (const buffer of buffers) target.write(buffer);
	target.uncork();
	if (target.writableLength <= mostBytes || source.isPaused()) return;
	source.pause();
	target.once("drain", () => source.resume());
}

/** Resolves when it is gone. */
export const closed = (socket: Socket): Promise<void> =>
	new Promise((resolve) => {
		if (socket.destroyed) resolve();
		else socket.once("close", () => resolve());
	});
