/** Sockets and descriptors that Node has no call for: made by libc, and passed on to another process (unix(7), SCM_RIGHTS). */
import { closeSync } from "node:fs";
import { address, errno, libc } from "../guest/agent/libc.ts";

/** <bits/socket.h>, <sys/un.h>. */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const O_CLOEXEC = 0o2000000;

const calls = () => ({
	socket: libc("int socket(int domain, int type, int protocol)"),
	bind: libc("int bind(int fd, const uint8_t *address, uint32_t length)"),
	listen: libc("int listen(int fd, int backlog)"),
	connect: libc("int connect(int fd, const uint8_t *address, uint32_t length)"),
	pipe2: libc("int pipe2(uint8_t *fds, int flags)"),
	sendmsg: libc("long sendmsg(int fd, const uint8_t *message, int flags)"),
});
let loaded: ReturnType<typeof calls> | undefined;
const c = (): ReturnType<typeof calls> => {
	loaded ??= calls();
	return loaded;
};

function check(what: string, result: number): number {
	if (result < 0) throw new Error(`${what}: errno ${errno()}`);
	return result;
}

/** struct sockaddr_un: family, path, NUL. */
const toAddress = (path: string): Buffer =>
	Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(path), Buffer.alloc(1)]);

/** A socket that `use` has taken to the path, or none. */
function socketAt(path: string, use: (fd: number, at: Buffer) => void): number {
	const fd = check("socket", c().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	try {
		use(fd, toAddress(path));
		return fd;
	} catch (cause) {
		closeSync(fd);
		throw cause;
	}
}

/** A descriptor that listens at `path`, where nothing may be. The caller closes it. Throws. */
export function listenAt(path: string): number {
	return socketAt(path, (fd, at) => {
		check("bind", c().bind(fd, at, at.length));
		check("listen", c().listen(fd, 128));
	});
}

/** A connection to who listens at `path`, on this host: at once, or not. The caller closes it. Throws. */
export function connectTo(path: string): number {
	return socketAt(path, (fd, at) => check("connect", c().connect(fd, at, at.length)));
}

export function makePipe(): { readonly reading: number; readonly writing: number } {
	const fds = Buffer.alloc(8);
	check("pipe2", c().pipe2(fds, O_CLOEXEC));
	return { reading: fds.readInt32LE(0), writing: fds.readInt32LE(4) };
}

/** All of `bytes`, with `fds` beside the first of them: cmsg(3). They are few, and fit in the socket's buffer. Throws. */
export function sendWith(fd: number, bytes: Buffer, fds: readonly number[]): void {
	const words = (...list: readonly bigint[]): Buffer => Buffer.from(BigUint64Array.from(list).buffer);
	const rights = Buffer.alloc(8 * Math.ceil(fds.length / 2));
	for (const [index, one] of fds.entries()) rights.writeInt32LE(one, 4 * index);
	/** struct cmsghdr: length of all but the padding, level, type. */
	const head = Buffer.alloc(16);
	head.writeBigUInt64LE(BigInt(head.length + 4 * fds.length), 0);
	head.writeInt32LE(SOL_SOCKET, 8);
	head.writeInt32LE(SCM_RIGHTS, 12);
	const control = Buffer.concat([head, rights]);
	const iov = words(address(bytes), BigInt(bytes.length));
	/** struct msghdr: name, its length, iov, how many, control, its length, flags. */
	const message = words(0n, 0n, address(iov), 1n, address(control), BigInt(control.length), 0n);
	const sent = check("sendmsg", c().sendmsg(fd, message, MSG_NOSIGNAL));
	if (sent !== bytes.length) throw new Error(`sendmsg: ${sent} of ${bytes.length} bytes`);
}
