/** Starts one command: its user, directory, environment, streams and cgroup; compute everything, then spawn once. */
import { accessSync, closeSync, existsSync, constants as fsConstants, readFileSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { resolve } from "node:path";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import type { Exec, TerminalSize } from "../../protocol/exec.ts";
import type { CommandEnd, Failure } from "../../protocol/session.ts";
import type { SignalName } from "../../protocol/signals.ts";
import type { SessionProcesses } from "./cgroup.ts";
import { asUser } from "./credentials.ts";
import { openPipes } from "./pipes.ts";
import { type Process, startProcess } from "./process.ts";
import { imageEnvironment } from "./session-environment.ts";
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

/** Throws StartFailure; nothing is left open then. */
export type StartCommand = (exec: Exec, processes: SessionProcesses) => Command;

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
	/** null is the default user. Throws BadRequest where there is none of that name. */
	findUser(name: string | null): GuestUser;
	/** What a command gets beside what its client gives it. */
	environment(user: GuestUser): Readonly<Record<string, string>>;
}

export function createStartCommand(host: CommandHost): StartCommand {
	return (exec, processes) => {
		const user = userOf(exec, host);
		const cwd = directoryOf(exec, user);
		const place = { exec, user, cwd, env: { ...host.environment(user), ...exec.env }, processes };
		try {
			return exec.tty === null ? startWithPipes(place) : startInTerminal(place, exec.tty);
		} catch (cause) {
			throw cause instanceof StartFailure ? cause : toStartFailure(exec, cwd, cause);
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

function startWithPipes(place: Place): Command {
	const { child, ours } = openPipes(place.user.uid);
	try {
		const control = start(place, child);
		const [input, stdout, stderr] = ours;
		return {
			...{ ...control, isTerminal: false, stdin: openStream(input), resize: () => {} },
			stdout: (onread) => openStream(stdout, onread),
			stderr: (onread) => openStream(stderr, onread),
		};
	} catch (cause) {
		for (const fd of ours) closeSync(fd);
		throw cause;
	} finally {
		for (const fd of child) closeSync(fd);
	}
}

function startInTerminal(place: Place, size: TerminalSize): Command {
	const { master, slave, path } = openTerminal(size, place.user.uid);
	try {
		const control = start(place, path);
		/** A command may let go of its terminal and go on: nobody having it open would be its end, and EIO for us (pty(7)). */
		void control.ended.then(() => closeSync(slave));
		let stream: Socket | undefined;
		return {
			...{ ...control, isTerminal: true, stderr: null },
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
		closeSync(slave);
		closeSync(master);
		throw cause;
	}
}

function start(place: Place, stdio: Parameters<typeof startProcess>[0]["stdio"]) {
	const { exec, user, cwd, env, processes } = place;
	const { pid, ended } = processes.inside(
		(): Process => startProcess({ argv: exec.argv, env, cwd, credentials: user, stdio }),
	);
	let hasEnded = false;
	void ended.then(() => {
		hasEnded = true;
	});
	const signal = (name: SignalName): void => signalGroup(pid, name);
	return { pid, user: user.name, ended, hasEnded: () => hasEnded, signal };
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
	const mayEnter = (path: string): boolean => asUser(user, () => isEnterable(path));
	if (exec.cwd === null) return mayEnter(user.home) ? user.home : "/";
	if (mayEnter(exec.cwd)) return exec.cwd;
	const isThere = statSync(exec.cwd, { throwIfNoEntry: false })?.isDirectory() === true;
	const why = isThere
		? `${user.name} may not enter ${exec.cwd} in the guest`
		: `the guest has no directory ${exec.cwd}`;
	throw new StartFailure("refused", why);
}

function isEnterable(path: string): boolean {
	try {
		accessSync(path, fsConstants.X_OK);
		return statSync(path).isDirectory();
	} catch {
		return false;
	}
}

export const baseEnvironment = (user: GuestUser): Record<string, string> => ({
	PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	HOME: user.home,
	USER: user.name,
	LOGNAME: user.name,
	SHELL: user.shell,
	LANG: "C.UTF-8",
	...imageEnvironment(user.name),
});

/** errno(3) names that execve(2) gives. */
function toStartFailure(exec: Exec, cwd: string, cause: unknown): StartFailure {
	const name = exec.argv[0];
	switch (errnoOf(cause)) {
		case "ENOENT":
		case "ENOTDIR":
			return name?.includes("/") === true && existsSync(resolve(cwd, name))
				? new StartFailure("notFound", `${name}: what it is to be run by is not found in the guest`)
				: new StartFailure("notFound", `${name}: not found in the guest`);
		case "EACCES":
		case "EPERM":
		case "ELOOP":
		case "ENAMETOOLONG":
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
