/** A command's pipes and terminal as streams of ours. */
import { Socket } from "node:net";

interface PipeHandle {
	open(fd: number): number;
}
interface PipeWrap {
	readonly Pipe: new (type: number) => PipeHandle;
	readonly constants: { readonly SOCKET: number };
}

export interface OnRead {
	/** The block to read into next. */
	readonly buffer: () => Uint8Array;
	/** So many bytes have been read into it; false: no more for now. */
	readonly callback: (bytes: number) => boolean;
}

/**
 * Takes `fd` over and closes it at the end. With `onread` it is read, once it is resumed; without, it is only written.
 * libuv's pipe handle carries whatever can be polled: net.Socket itself refuses a terminal's descriptor, and libuv's tty
 * handle would open it anew.
 */
export function openStream(fd: number, onread?: OnRead): Socket {
	const { Pipe, constants } = (process as unknown as { binding(name: "pipe_wrap"): PipeWrap }).binding("pipe_wrap");
	const handle = new Pipe(constants.SOCKET);
	const status = handle.open(fd);
	if (status < 0) throw new Error(`libuv does not take descriptor ${fd}: ${status}`);
	const readable = onread !== undefined;
	const stream = new Socket({ handle, readable, writable: true, allowHalfOpen: true, onread } as object);
	if (readable) stream.pause();
	/** EIO is how a terminal says that its last user has closed it: pty(7). */
	stream.on("error", () => stream.destroy());
	stream.once("end", () => stream.destroy());
	return stream;
}
