/**
 * Another user's rights for the length of one call. On Linux they belong to a thread, and the system calls, unlike libc's
 * functions, change only the calling one: credentials(7), setresuid(2), "C library/kernel differences". The saved user id stays
 * ours, which is the way back; execve(2) makes it the user's, so a command has no such way.
 *
 * Meanwhile a process of that user may send us signals (kill(2)). It could end our sessions so, which it can also do by
 * other means; it gains no rights.
 */
import { libc, type NativeFunction } from "./libc.ts";

export interface Credentials {
	readonly uid: number;
	readonly gid: number;
	/** Beside gid. */
	readonly groups: readonly number[];
}

/** System call numbers: <asm/unistd_64.h>, <asm-generic/unistd.h>. */
const numbersOf: Readonly<Record<string, { setgroups: number; setresgid: number; setresuid: number }>> = {
	x64: { setgroups: 116, setresgid: 119, setresuid: 117 },
	arm64: { setgroups: 159, setresgid: 149, setresuid: 147 },
};

interface Calls {
	setIds(call: "setresgid" | "setresuid", real: number, effective: number, saved: number): void;
	setGroups(groups: readonly number[]): void;
}

let calls: Calls | undefined;

function native(): Calls {
	if (calls !== undefined) return calls;
	const numbers = numbersOf[process.arch];
	if (numbers === undefined) throw new Error(`no system call numbers for ${process.arch}`);
	const ids: NativeFunction = libc("long syscall(long number, long real, long effective, long saved)");
	const list: NativeFunction = libc("long syscall(long number, long count, const void *list)");
	const check = (what: string, status: number): void => {
		if (status !== 0) throw new Error(`${what} failed`);
	};
	calls = {
		setIds: (call, ...words) => check(call, ids(numbers[call], ...words)),
		setGroups: (groups) => check("setgroups", list(numbers.setgroups, groups.length, Uint32Array.from(groups))),
	};
	return calls;
}

/**
 * Calls `act`, which must be synchronous, with the rights of that user. Who is not root can only be themselves. Throws what
 * `act` throws; if the way back fails, the process ends.
 */
export function asUser<T>({ uid, gid, groups }: Credentials, act: () => T): T {
	const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: process.getgroups?.() ?? [] };
	if (own.uid !== 0 || uid === 0) {
		if (own.uid !== uid) throw new Error("only root can run commands as somebody else");
		return act();
	}
	const { setIds, setGroups } = native();
	try {
		setGroups(groups);
		setIds("setresgid", gid, gid, gid);
		setIds("setresuid", uid, uid, 0);
		return act();
	} finally {
		try {
			setIds("setresuid", 0, 0, 0);
			setIds("setresgid", own.gid, own.gid, own.gid);
			setGroups(own.groups);
		} catch {
			process.abort();
		}
	}
}
