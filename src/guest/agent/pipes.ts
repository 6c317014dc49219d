/**
 * Real pipes for a command's streams. Node's own `stdio: "pipe"` gives socketpairs, and a program can't open those by
 * name: `echo oops >/dev/stderr` fails with ENXIO (open(2)).
 */
import { closeSync, fchownSync } from "node:fs";
import { blockBytes } from "./blocks.ts";
import { libc } from "./libc.ts";

/** <bits/fcntl-linux.h>. */
const O_CLOEXEC = 0o2000000;

const pipe2 = libc("int pipe2(void *fds, int flags)");
const fcntl = libc("int fcntl(int fd, int command, int size)");
/** <bits/fcntl-linux.h>. */
const F_SETPIPE_SZ = 1031;

export interface StreamPipes {
	/** Given to the child: blocking, as programs expect. */
	readonly child: readonly [stdin: number, stdout: number, stderr: number];
	readonly ours: readonly [stdin: number, stdout: number, stderr: number];
}

/** Three pipes that the user `uid` may also open by name (/dev/stdout). Throws when none can be made, with nothing left open. */
export function openPipes(uid: number): StreamPipes {
	const opened: number[] = [];
	const open = (): [reader: number, writer: number] => {
		const fds = new Int32Array(2);
		if (pipe2(fds, O_CLOEXEC) !== 0) throw new Error("no pipe can be made: too many are open");
		const [reader = -1, writer = -1] = fds;
		opened.push(reader, writer);
		fcntl(reader, F_SETPIPE_SZ, blockBytes);
		fchownSync(reader, uid, -1);
		return [reader, writer];
	};
	try {
		const [stdin, input] = open();
		const [output, stdout] = open();
		const [error, stderr] = open();
		return { child: [stdin, stdout, stderr], ours: [input, output, error] };
	} catch (cause) {
		for (const fd of opened) closeSync(fd);
		throw cause;
	}
}
