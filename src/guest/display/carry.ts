/** Between a program's socket and the host's. */
import type { Socket } from "node:net";

/** What a program has not read of what the host says: events, and what it pastes. One that stands still for so long is let go of. */
const unreadMaxBytes = 32 * 1024 * 1024;

/**
 * Ends both when either ends, or the lifeline, where there is one. What comes from the host is always read: vhost-device-vsock stops for good where a guest waits to write,
 * and does not read meanwhile. What the program says waits for the host.
 */
export function carry(program: Socket, host: Socket, lifeline?: Socket): void {
	const end = (): void => {
		lifeline?.off("close", end);
		program.destroy();
		host.destroy();
	};
	for (const socket of [program, host]) socket.on("error", end).once("close", end);
	if (lifeline?.destroyed === true) end();
	lifeline?.on("close", end);
	host.on("data", (chunk: Buffer) => {
		program.write(chunk);
		if (program.writableLength > unreadMaxBytes) end();
	});
	program.on("data", (chunk: Buffer) => {
		if (host.write(chunk)) return;
		program.pause();
		host.once("drain", () => program.resume());
	});
	host.resume();
	program.resume();
}
