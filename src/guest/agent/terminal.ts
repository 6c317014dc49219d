/** A pseudo-terminal for a command: pty(7). The agent holds the master, the command gets the other end. */
import { chmodSync, chownSync, closeSync, constants, openSync } from "node:fs";
import type { TerminalSize } from "../../protocol/exec.ts";
import { libc } from "./libc.ts";

/** <asm-generic/ioctls.h>, <asm-generic/ioctl.h>: the same on x86-64 and arm64. */
const TIOCSWINSZ = 0x5414;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TCGETS = 0x5401;
const TCSETS = 0x5402;
/** struct termios: c_iflag first; <asm-generic/termbits.h>. */
const termiosBytes = 64;
const IUTF8 = 0o40000;

export interface Terminal {
	readonly master: number;
	/** Keeps the terminal alive, whether or not anybody else has it open. */
	readonly slave: number;
	readonly path: string;
}

const call = libc("int ioctl(int fd, unsigned long request, void *data)");

function ioctl(fd: number, request: number, data: Uint8Array): void {
	if (call(fd, request, data) < 0) throw new Error(`ioctl 0x${request.toString(16)} failed`);
}

/** Owned by `uid`, who may also open it by its name; mode as grantpt(3) sets it. Throws where there is none to be had. */
export function openTerminal(size: TerminalSize, uid: number): Terminal {
	const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
	try {
		ioctl(master, TIOCSPTLCK, Buffer.alloc(4));
		const number = Buffer.alloc(4);
		ioctl(master, TIOCGPTN, number);
		const path = `/dev/pts/${number.readUInt32LE()}`;
		const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
		try {
			chownSync(path, uid, -1);
			chmodSync(path, 0o620);
			setUtf8(slave);
			resizeTerminal(master, size);
		} catch (cause) {
			closeSync(slave);
			throw cause;
		}
		return { master, slave, path };
	} catch (cause) {
		closeSync(master);
		throw cause;
	}
}

/** struct winsize: rows, columns, and pixels that nobody knows. The kernel sends WINCH where that is news. */
export function resizeTerminal(fd: number, { rows, columns }: TerminalSize): void {
	ioctl(fd, TIOCSWINSZ, Buffer.from(new Uint16Array([rows, columns, 0, 0]).buffer));
}

/** So that the terminal's own line editing erases a whole character. */
function setUtf8(fd: number): void {
	const termios = Buffer.alloc(termiosBytes);
	ioctl(fd, TCGETS, termios);
	termios.writeUInt32LE(termios.readUInt32LE() | IUTF8);
	ioctl(fd, TCSETS, termios);
}
