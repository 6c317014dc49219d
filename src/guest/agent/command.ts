/** Starts one command: its user, directory, environment, pipes and cgroup; compute everything, then spawn once. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, statSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import type { Exec } from "../../protocol/exec.ts";
import type { CommandEnd, Failure } from "../../protocol/session.ts";
import type { SessionCgroup } from "./cgroup.ts";
import type { FifoStock, StreamEnds } from "./fifos.ts";
import { findUser, type GuestUser } from "./users.ts";

export interface Command {
	readonly pid: number;
	readonly stdin: Socket;
	/** Open descriptors, whose reader closes them. */
	readonly stdout: number;
	readonly stderr: number;
	/** Resolves when the command itself has ended; its children and streams may live on. Never rejects. */
	readonly ended: Promise<CommandEnd>;
}

/** Why a command could not be started, as the client will be told. */
export class StartFailure extends Error {
	readonly failure: Failure;
	constructor(failure: Failure, message: string) {
		super(message);
		this.failure = failure;
	}
}

/** Rejects with StartFailure; nothing is left open then. */
export async function startCommand(exec: Exec, cgroup: SessionCgroup, fifos: FifoStock): Promise<Command> {
	const user = userOf(exec);
	const cwd = directoryOf(exec, user);
	const ends = await fifos.take(user.uid).catch((cause: unknown) => {
		throw new StartFailure("internal", `the guest cannot make pipes: ${QubesLiteError.from(cause).message}`);
	});
	const [input, stdout, stderr] = ends.ours;
	const stdin = new Socket({ fd: input, readable: false, writable: true });
	try {
		const child = cgroup.inside(() => fork(exec, user, cwd, ends));
		const ended = endOf(child);
		await startOf(child, exec);
		return { pid: child.pid ?? 0, stdin, stdout, stderr, ended };
	} catch (cause) {
		stdin.destroy();
		for (const fd of [stdout, stderr]) closeSync(fd);
		throw cause instanceof StartFailure ? cause : toStartFailure(exec, cause);
	} finally {
		for (const fd of ends.child) closeSync(fd);
	}
}

function fork(exec: Exec, user: GuestUser, cwd: string, ends: StreamEnds): ChildProcess {
	const [command, ...args] = exec.argv;
	return spawn(command ?? "", args, {
		cwd,
		env: { ...baseEnvironment(user), ...exec.env },
		uid: user.uid,
		gid: user.gid,
		/** Its own session and process group, so that a signal reaches the command and what it started. */
		detached: true,
		stdio: [...ends.child],
	});
}

function userOf(exec: Exec): GuestUser {
	try {
		return findUser(exec.user);
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

const baseEnvironment = (user: GuestUser): Record<string, string> => ({
	PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	HOME: user.home,
	USER: user.name,
	LOGNAME: user.name,
	SHELL: user.shell,
	LANG: "C.UTF-8",
});

function startOf(child: ChildProcess, exec: Exec): Promise<void> {
	return new Promise((resolve, reject) => {
		child.once("spawn", resolve);
		child.once("error", (cause) => reject(toStartFailure(exec, cause)));
	});
}

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
