/** Between two sockets: what one has not taken makes the other wait. */
import type { Socket } from "node:net";

/** None of `sources` is read while `target` holds more than `mostBytes`. */
export function give(
	target: Socket,
	buffers: readonly Buffer[],
	mostBytes: number,
	...sources: readonly Socket[]
): void {
	if (target.destroyed) return;
	target.cork();
	for (const buffer of buffers) target.write(buffer);
	target.uncork();
	if (target.writableLength <= mostBytes) return;
	for (const source of sources) {
		if (source.isPaused()) continue;
		source.pause();
		target.once("drain", () => source.resume());
	}
}

/** Resolves when it is gone. */
export const closed = (socket: Socket): Promise<void> =>
	new Promise((resolve) => {
		if (socket.destroyed) resolve();
		else socket.once("close", () => resolve());
	});
