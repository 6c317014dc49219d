/** Starts one command: its user, directory, environment, streams and cgroup; compute everything, then spawn once. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, readFileSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import type { Exec, TerminalSize } from "../../protocol/exec.ts";
import type { CommandEnd, Failure } from "../../protocol/session.ts";
import type { SignalName } from "../../protocol/signals.ts";
import type { SessionProcesses } from "./cgroup.ts";
import { findExecutable } from "./executable.ts";
import type { FifoStock, StreamEnds } from "./fifos.ts";
import { type OnRead, openStream } from "./stdio.ts";
import { openTerminal, resizeTerminal } from "./terminal.ts";
import type { GuestUser } from "./users.ts";

export interface Command {
	readonly pid: number;
	/** Name of the guest's user. */
	readonly user: string;
	readonly isTerminal: boolean;
	/** With a terminal it is the same stream as stdout, which is opened first. */
	readonly stdin: Socket;
	/** Each is to be opened once, by its reader. stderr is null with a terminal, which has only one output. */
	readonly stdout: OutputSource;
	readonly stderr: OutputSource | null;
	/** Resolves when the command itself has ended; its children and streams may live on. Never rejects. */
	readonly ended: Promise<CommandEnd>;
	hasEnded(): boolean;
	/** To its whole process group. */
	signal(signal: SignalName): void;
	/** Its terminal's, where it has one. */
	resize(size: TerminalSize): void;
}

/** Gives the stream that reads an output, paused. */
export type OutputSource = (onread: OnRead) => Socket;

export type StartCommand = (exec: Exec, processes: SessionProcesses) => Promise<Command>;

/** Why a command could not be started, as the client will be told. */
export class StartFailure extends Error {
	readonly failure: Failure;
	constructor(failure: Failure, message: string) {
		super(message);
		this.failure = failure;
	}
}

/** Where commands run. */
export interface CommandHost {
	readonly fifos: FifoStock;
	/** null is the default user. Throws BadRequest where there is none of that name. */
	findUser(name: string | null): GuestUser;
	/** What a command gets beside what its client gives it. */
	environment(user: GuestUser): Readonly<Record<string, string>>;
}

/** Rejects with StartFailure; nothing is left open then. */
export function createStartCommand(host: CommandHost): StartCommand {
	return async (exec, processes) => {
		const user = userOf(exec, host);
		const cwd = directoryOf(exec, user);
		const env = { ...host.environment(user), ...exec.env };
		const place = { exec, user, cwd, env, processes };
		try {
			return exec.tty === null ? await startWithPipes(place, host.fifos) : await startInTerminal(place, exec.tty);
		} catch (cause) {
			throw cause instanceof StartFailure ? cause : toStartFailure(exec, cause);
		}
	};
}

interface Place {
	readonly exec: Exec;
	readonly user: GuestUser;
	readonly cwd: string;
	readonly env: Readonly<Record<string, string>>;
	readonly processes: SessionProcesses;
}

async function startWithPipes(place: Place, fifos: FifoStock): Promise<Command> {
	const { exec, user, processes } = place;
	const ends = await fifos.take(user.uid).catch((cause: unknown) => {
		throw new StartFailure("internal", `the guest cannot make pipes: ${QubesLiteError.from(cause).message}`);
	});
	const [input, stdout, stderr] = ends.ours;
	const stdin = openStream(input);
	try {
		const child = processes.inside(() => fork(place, exec.argv, ends.child, true));
		const control = await controlOf(child);
		return {
			...{ ...control, user: user.name, isTerminal: false, stdin, resize: () => {} },
			stdout: (onread) => openStream(stdout, onread),
			stderr: (onread) => openStream(stderr, onread),
		};
	} catch (cause) {
		stdin.destroy();
		for (const fd of [stdout, stderr]) closeSync(fd);
		throw cause;
	} finally {
		for (const fd of ends.child) closeSync(fd);
	}
}

/**
 * setsid(1) makes the terminal the command's own, which only a process itself can do, and then turns into the command. It
 * would tell of a command that can't be executed on the terminal; so that is looked at before.
 */
async function startInTerminal(place: Place, size: TerminalSize): Promise<Command> {
	const { exec, user, cwd, env, processes } = place;
	findExecutable(exec.argv[0] ?? "", { user, cwd, path: env.PATH ?? "" });
	const { master, slave } = openTerminal(size, user.uid);
	let stream: Socket | undefined;
	try {
		const child = processes.inside(() => fork(place, ["setsid", "-c", ...exec.argv], [slave, slave, slave], false));
		const control = await controlOf(child);
		return {
			...{ ...control, user: user.name, isTerminal: true, stderr: null },
			/** One descriptor, and so one stream, for both directions. */
			stdout: (onread) => {
				stream = openStream(master, onread);
				return stream;
			},
			get stdin() {
				if (stream === undefined) throw new Error("a terminal's output is opened before its input");
				return stream;
			},
			resize: (to) => {
				if (stream?.destroyed === false) resizeTerminal(master, to);
			},
		};
	} catch (cause) {
		closeSync(master);
		throw cause;
	} finally {
		closeSync(slave);
	}
}

/** Its own session and process group, so that a signal reaches the command and what it started; setsid makes its own. */
function fork(place: Place, argv: readonly string[], stdio: StreamEnds["child"], detached: boolean): ChildProcess {
	const { cwd, env } = place;
	const { uid, gid } = place.user;
	const [command, ...args] = argv;
	return spawn(command ?? "", args, { ...{ cwd, env, uid, gid, detached }, stdio: [...stdio] });
}

type Control = Pick<Command, "pid" | "ended" | "hasEnded" | "signal">;

/** Rejects where it did not start. */
async function controlOf(child: ChildProcess): Promise<Control> {
	let hasEnded = false;
	const ended = endOf(child).finally(() => {
		hasEnded = true;
	});
	await new Promise((resolve, reject) => {
		child.once("spawn", resolve);
		child.once("error", reject);
	});
	const pid = child.pid ?? 0;
	return { pid, ended, hasEnded: () => hasEnded, signal: (signal) => signalGroup(pid, signal) };
}

/** A group that ends at the same moment is no error. */
function signalGroup(leader: number, signal: SignalName): void {
	try {
		process.kill(-leader, signal);
		if (signal === "SIGTSTP" && !caresFor(leader, constants.signals.SIGTSTP)) process.kill(-leader, "SIGSTOP");
	} catch {}
}

/**
 * The kernel does not stop a group without a shell above it by TSTP (POSIX: orphaned process groups): who neither catches
 * nor ignores the signal would have been stopped.
 */
function caresFor(pid: number, signal: number): boolean {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	return ["SigCgt", "SigIgn"].some((field) => {
		const mask = new RegExp(`^${field}:\\t([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0";
		return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
	});
}

function userOf(exec: Exec, host: CommandHost): GuestUser {
	try {
		return host.findUser(exec.user);
	} catch (cause) {
		throw new StartFailure("refused", QubesLiteError.from(cause).message);
	}
}

/** A directory that was asked for must be there; a home that is missing is not worth a failure. */
function directoryOf(exec: Exec, user: GuestUser): string {
	const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
	if (exec.cwd === null) return isDirectory(user.home) ? user.home : "/";
	if (isDirectory(exec.cwd)) return exec.cwd;
	throw new StartFailure("refused", `the guest has no directory ${exec.cwd}`);
}

export const baseEnvironment = (user: GuestUser): Record<string, string> => ({
	PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	HOME: user.home,
	USER: user.name,
	LOGNAME: user.name,
	SHELL: user.shell,
	LANG: "C.UTF-8",
});

function endOf(child: ChildProcess): Promise<CommandEnd> {
	return new Promise((resolve) => {
		child.once("exit", (code, signal) => {
			resolve(signal === null ? { code: code ?? 0 } : { signal, signalNumber: constants.signals[signal] });
		});
		child.once("error", () => {});
	});
}

/** errno(3) names that execve(2) gives. */
function toStartFailure(exec: Exec, cause: unknown): StartFailure {
	const name = exec.argv[0];
	switch (errnoOf(cause)) {
		case "ENOENT":
		case "ENOTDIR":
			return new StartFailure("notFound", `${name}: not found in the guest`);
		case "EACCES":
		case "EPERM":
			return new StartFailure("notExecutable", `${name}: not executable in the guest`);
		case "E2BIG":
			return new StartFailure(
				"notExecutable",
				`${name}: the arguments and environment are too long for the guest's kernel`,
			);
		case "ENOEXEC":
			return new StartFailure("notExecutable", `${name}: not a program that the guest can run`);
		default:
			return new StartFailure("internal", `${name}: ${QubesLiteError.from(cause).message}`);
	}
}
