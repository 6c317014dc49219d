/**
 * vsock(7) sockets as Node's own: made by libc through koffi, then held by libuv as it holds TCP's. libuv looks at no
 * address family, only at read, write, accept and shutdown. All that is unusual about that is in this file.
 */
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { errno, libc } from "./libc.ts";
import type { OnRead } from "./stdio.ts";

/** <linux/vm_sockets.h>, <bits/socket.h>. */
const AF_VSOCK = 40;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const anyCid = 0xffffffff;
const SO_VM_SOCKETS_CONNECT_TIMEOUT = 6;

/** vhost-device-vsock answers nothing for a port that nobody listens on; a host that answers does so within a few ms. */
const connectWithinMs = 500;

interface TcpHandle {
	open(fd: number): number;
	listen(backlog: number): number;
	close(): void;
	onconnection: (status: number, client: TcpHandle) => void;
}
interface TcpWrap {
	readonly TCP: new (type: number) => TcpHandle;
	readonly constants: { readonly SOCKET: number; readonly SERVER: number };
}

const socket = libc("int socket(int domain, int type, int protocol)");
const bind = libc("int bind(int fd, const uint8_t *address, uint32_t length)");
const setsockopt = libc("int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)");
const connect = libc("int connect(int fd, const uint8_t *address, uint32_t length)");
const { TCP, constants } = (process as unknown as { binding(name: "tcp_wrap"): TcpWrap }).binding("tcp_wrap");

/** struct sockaddr_vm: family, reserved, port, cid, flags, zero. */
function toAddress(cid: number, port: number): Uint8Array {
	const address = Buffer.alloc(16);
	address.writeUInt16LE(AF_VSOCK, 0);
	address.writeUInt32LE(port, 4);
	address.writeUInt32LE(cid, 8);
	return address;
}

function open(): number {
	const fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) throw new Error(`socket(AF_VSOCK): errno ${errno()}`);
	return fd;
}

function toHandle(fd: number, type: number): TcpHandle {
	const handle = new TCP(type);
	const status = handle.open(fd);
	if (status < 0) throw new Error(`libuv does not take a vsock socket: ${status}`);
	return handle;
}

/** Gives a connection that has come as a socket, which is read as it says. */
export type OpenConnection = (onread: OnRead) => Socket;

export interface VsockListener {
	readonly port: number;
	readonly backlog: number;
	/** Of connections at a time; what comes beyond is closed. */
	readonly most: number;
}

/** Listens on a port of this guest, for ever. */
export function listenVsock({ port, backlog, most }: VsockListener, accept: (open: OpenConnection) => void): void {
	const fd = open();
	const address = toAddress(anyCid, port);
	if (bind(fd, address, address.length) < 0) throw new Error(`bind(vsock port ${port}): errno ${errno()}`);
	const server = toHandle(fd, constants.SERVER);
	let connections = 0;
	server.onconnection = (status, client) => {
		if (status !== 0) return;
		if (connections >= most) {
			client.close();
			return;
		}
		connections += 1;
		accept((onread) => {
			const socket = toSocket(client, onread);
			return socket.once("close", () => {
				connections -= 1;
			});
		});
	};
	const status = server.listen(backlog);
	if (status < 0) throw new Error(`listen(vsock port ${port}): ${status}`);
}

/** libuv's handle as Node's socket. */
function toSocket(handle: TcpHandle, onread?: OnRead): Socket {
	const socket = new Socket({ handle, readable: true, writable: true, onread } as object);
	if (onread !== undefined) socket.resume();
	return socket;
}

/** Rejects where nobody answers. Waits in a thread. */
export function connectVsock(cid: number, port: number): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const fd = open();
		/** struct timeval. */
		const timeout = Buffer.alloc(16);
		timeout.writeBigInt64LE(BigInt(connectWithinMs * 1000), 8);
		setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, timeout, timeout.length);
		const address = toAddress(cid, port);
		connect.async(fd, address, address.length, (cause: unknown, status: number) => {
			if (status !== 0) {
				closeSync(fd);
				reject(cause ?? new Error(`nobody answers on vsock port ${port} of ${cid}`));
			} else resolve(toSocket(toHandle(fd, constants.SOCKET)));
		});
	});
}
