/**
 * Starts processes by posix_spawn(3): 2 ms in an emulated guest where Node's fork takes 10, a controlling terminal, and an
 * exact end for every signal (Node knows no real-time signals, and calls an end by one success).
 */
import { existsSync, constants as fsConstants, statSync } from "node:fs";
import { constants } from "node:os";
import { resolve } from "node:path";
import { errnoOf } from "../../errors.ts";
import type { CommandEnd } from "../../protocol/session.ts";
import { asUser, type Credentials } from "./credentials.ts";
import { address, libc, type NativeFunction } from "./libc.ts";

export interface ProcessOptions {
	readonly argv: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	readonly cwd: string;
	readonly credentials: Credentials;
	/** Three descriptors, or the path of a terminal that becomes all three and the process's own. */
	readonly stdio: readonly [number, number, number] | string;
}

export interface Process {
	readonly pid: number;
	/** Never rejects. */
	readonly ended: Promise<CommandEnd>;
}

/** <spawn.h>: it leads a session of its own, with no signal blocked or ignored. */
const flags = { setSignalDefaults: 0x04, setSignalMask: 0x08, setSession: 0x80 };
/** posix_spawnattr_t has 336 bytes, posix_spawn_file_actions_t 80, sigset_t 128. */
const attributeBytes = 512;
const signalSetBytes = 128;
const WNOHANG = 1;

/** A signal could be lost on us, and a session with it. */
const lookEveryMs = 1_000;

type Native = Readonly<
	Record<"spawn" | "init" | "dup2" | "open" | "chdir" | "closeFrom" | "destroy" | "wait", NativeFunction>
>;

let native: Native | undefined;
let attributes: Buffer | undefined;

function load(): { native: Native; attributes: Buffer } {
	if (native === undefined || attributes === undefined) {
		const actions = (name: string, rest: string) => libc(`int posix_spawn_file_actions_${name}(void *actions${rest})`);
		native = {
			spawn: libc(
				"int posix_spawn(void *pid, const char *path, void *actions, void *attributes, const void *argv, const void *env)",
			),
			init: actions("init", ""),
			dup2: actions("adddup2", ", int fd, int to"),
			open: actions("addopen", ", int fd, const char *path, int flags, int mode"),
			chdir: actions("addchdir_np", ", const char *path"),
			closeFrom: actions("addclosefrom_np", ", int from"),
			destroy: actions("destroy", ""),
			wait: libc("int waitpid(int pid, void *status, int options)"),
		};
		attributes = Buffer.alloc(attributeBytes);
		const attribute = (name: string, rest: string) => libc(`int posix_spawnattr_${name}(void *attributes${rest})`);
		attribute("init", "")(attributes);
		attribute("setflags", ", short flags")(
			attributes,
			flags.setSignalDefaults | flags.setSignalMask | flags.setSession,
		);
		attribute("setsigdefault", ", const void *set")(attributes, Buffer.alloc(signalSetBytes, 0xff));
		attribute("setsigmask", ", const void *set")(attributes, Buffer.alloc(signalSetBytes));
		process.on("SIGCHLD", lookAtChildren);
	}
	return { native, attributes };
}

/** Throws an error whose `code` is the errno of execve(2), as execvp(3) gives it. Nothing runs then. */
export function startProcess(options: ProcessOptions): Process {
	const [name = ""] = options.argv;
	let code = "ENOENT";
	for (const file of candidates(name, options)) {
		try {
			return spawn(file, options);
		} catch (cause) {
			const errno = errnoOf(cause);
			if (errno === "ENOEXEC") {
				return spawn("/bin/sh", { ...options, argv: ["sh", file, ...options.argv.slice(1)] });
			}
			if (errno === "EACCES" || (errno === "ENOENT" && existsSync(resolve(options.cwd, file)))) code = errno;
			else if (errno !== "ENOENT" && errno !== "ENOTDIR") throw cause;
		}
	}
	throw toError(name, code);
}

/** What is not there is not tried, so that a search costs no fork for each directory. A relative word is the command's, not ours. */
function candidates(name: string, { env, cwd }: ProcessOptions): string[] {
	if (name === "") return [];
	if (name.includes("/")) return [name];
	return (env.PATH ?? "/bin:/usr/bin")
		.split(":")
		.map((directory) => `${directory || "."}/${name}`)
		.filter((file) => existsSync(resolve(cwd, file)));
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

const toError = (what: string, code: string): Error => Object.assign(new Error(`${what}: ${code}`), { code });

function spawn(file: string, { argv, env, cwd, credentials, stdio }: ProcessOptions): Process {
	if (statSync(resolve(cwd, file), { throwIfNoEntry: false })?.isDirectory() === true) throw toError(file, "EACCES");
	const libc = load();
	const actions = Buffer.alloc(attributeBytes);
	const words = toVector(argv);
	const variables = toVector(Object.entries(env).map(([name, value]) => `${name}=${value}`));
	const pid = new Int32Array(1);
	libc.native.init(actions);
	try {
		libc.native.chdir(actions, cwd);
		const fds = typeof stdio === "string" ? [0, 0, 0] : stdio;
		if (typeof stdio === "string") libc.native.open(actions, 0, stdio, fsConstants.O_RDWR, 0);
		for (const [to, fd] of fds.entries()) libc.native.dup2(actions, fd, to);
		libc.native.closeFrom(actions, fds.length);
		const status = asUser(credentials, () =>
			libc.native.spawn(pid, file, actions, libc.attributes, words.pointers, variables.pointers),
		);
		if (status !== 0) throw toError(file, errnoNames.get(status) ?? String(status));
	} finally {
		libc.native.destroy(actions);
	}
	return { pid: pid[0] ?? 0, ended: new Promise((ended) => watch(pid[0] ?? 0, ended)) };
}

interface Vector {
	readonly pointers: BigUint64Array;
	/** Held for as long as the pointers are used. */
	readonly bytes: Buffer;
}

/** NUL-ended strings in one block, and a NULL-ended list of where they are: exec has no other form for up to 4 MiB. */
function toVector(words: readonly string[]): Vector {
	const bytes = Buffer.from(words.map((word) => `${word}\0`).join(""));
	const pointers = new BigUint64Array(words.length + 1);
	const start = bytes.length === 0 ? 0n : address(bytes);
	let at = 0;
	for (const index of words.keys()) {
		pointers[index] = start + BigInt(at);
		at = bytes.indexOf(0, at) + 1;
	}
	return { pointers, bytes };
}

/** Somebody else has waited for it (ECHILD): it has ended, and `status` is another's. */
const unknownEnd: CommandEnd = { code: 255 };

const children = new Map<number, (end: CommandEnd) => void>();
let timer: NodeJS.Timeout | undefined;

function watch(pid: number, ended: (end: CommandEnd) => void): void {
	children.set(pid, ended);
	timer ??= setInterval(lookAtChildren, lookEveryMs).unref();
}

/** Several ends may come with one signal. libuv waits for its own children by their ids, as we do. */
function lookAtChildren(): void {
	const status = new Int32Array(1);
	for (const [pid, ended] of children) {
		const found = load().native.wait(pid, status, WNOHANG);
		if (found === 0) continue;
		children.delete(pid);
		ended(found === pid ? toEnd(status[0] ?? 0) : unknownEnd);
	}
	if (children.size > 0) return;
	clearInterval(timer);
	timer = undefined;
}

/** As wait(2)'s macros read it. */
function toEnd(status: number): CommandEnd {
	const signalNumber = status & 0x7f;
	if (signalNumber === 0) return { code: (status >> 8) & 0xff };
	return { signal: signalNames.get(signalNumber) ?? nameOfOther(signalNumber), signalNumber };
}

/** Of several names for a number the usual one comes first. */
const signalNames = new Map(
	Object.entries(constants.signals)
		.reverse()
		.map(([name, number]) => [number, name]),
);

/** signal(7): real-time signals are named by their distance from the first that programs may use. */
const firstRealTime = 34;
const nameOfOther = (number: number): string =>
	number < firstRealTime ? `SIG${number}` : `SIGRTMIN+${number - firstRealTime}`;
