/**
 * Whether anybody still reads our standard output. A program that writes learns that from its next write; one that waits for
 * something to write would live on for as long as nothing happens.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";

/** libuv's own, in Node: it polls a descriptor for reading without looking at what that is. A pipe's writing end has only an error to tell. */
interface TcpWrap {
	readonly TCP: new (type: number) => object & { open(fd: number): number };
	readonly constants: { readonly SOCKET: number };
}

/** Calls `gone` once when standard output is a pipe, and its last reader goes. Keeps no process alive; never throws. */
export function watchReader(gone: () => void): void {
	try {
		if (!fstatSync(1).isFIFO()) return;
		/** Descriptor 1 itself is in the hands of Node's own stream. */
		const fd = openSync("/proc/self/fd/1", constants.O_WRONLY | constants.O_NONBLOCK);
		const { TCP, constants: kind } = (process as unknown as { binding(name: "tcp_wrap"): TcpWrap }).binding("tcp_wrap");
		const handle = new TCP(kind.SOCKET);
		if (handle.open(fd) < 0) {
			closeSync(fd);
			return;
		}
		const socket = new Socket({ handle, writable: false } as object);
		socket.on("error", () => {});
		socket.once("close", gone);
		socket.resume().unref();
	} catch {
		/** Another user's pipe can't be opened once more. */
	}
}
