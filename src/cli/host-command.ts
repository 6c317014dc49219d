/** A command on this host that runs in our place: with our streams and our terminal, and its exit status is ours. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { errnoOf, exitStatus, QubesLiteError } from "../errors.ts";
import type { SignalName } from "../protocol/signals.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { program } from "./commands/qubes-lite.ts";

/** From the keys, which reach it as well: it decides what they end. */
const fromKeys = ["SIGINT", "SIGQUIT"] as const;
/** Sent to us alone. */
const passedOn = ["SIGTERM", "SIGHUP"] as const;

/** The names of errno(3) that execve(2) gives for what is there, and is no program. */
const notExecutable: readonly unknown[] = ["EACCES", "EPERM", "ENOEXEC", "ELOOP", "ENAMETOOLONG", "E2BIG", "ETXTBSY"];

/**
 * Resolves with its exit status: 128 + N where signal N ended it, 126 and 127 where it could not be started, which is told. It
 * ignores the signals that we ignored at our start, for as long as it does nothing about them.
 */
export async function runHostCommand(words: readonly string[], ignored: readonly SignalName[]): Promise<number> {
	const [name = "", ...rest] = words;
	try {
		if (ignored.length > 0) checkIsProgram(name);
		let child: ChildProcess | undefined;
		/** Before it runs: Node hears of signals in its own time, and by then it does. */
		for (const signal of fromKeys) process.on(signal, () => {});
		for (const signal of passedOn) if (!ignored.includes(signal)) process.on(signal, () => child?.kill(signal));
		child =
			ignored.length === 0
				? spawn(name, rest, { stdio: "inherit" })
				: spawn("/bin/sh", ["-c", toIgnoring(ignored), program, ...words], { stdio: "inherit" });
		return await ending(child);
	} catch (cause) {
		const errno = errnoOf(cause);
		if (errno === "ENOENT" || errno === "ENOTDIR")
			return refuse(`${name}: not found on this host`, exitStatus.notFound);
		if (!notExecutable.includes(errno)) {
			throw new QubesLiteError("Internal", `${name} cannot be started (${errno})`, { cause });
		}
		const why = errno === "E2BIG" ? "its arguments and environment are too long" : "not executable on this host";
		return refuse(`${name}: ${why}`, exitStatus.notExecutable);
	}
}

/** Node makes its children forget what is ignored; what a shell ignores the program that it becomes does, too. */
const toIgnoring = (signals: readonly SignalName[]): string =>
	`trap '' ${signals.map((signal) => signal.slice("SIG".length)).join(" ")}; exec "$@"`;

/** As execvp(3) would look for it: a shell has words of its own for what it can't become. Throws its errors. */
function checkIsProgram(name: string): void {
	const places = name.includes("/")
		? [""]
		: (process.env.PATH ?? "/bin:/usr/bin").split(":").map((place) => `${place || "."}/`);
	const faults = places.map((place) => {
		try {
			const path = `${place}${name}`;
			accessSync(path, constants.X_OK);
			return statSync(path).isFile() ? null : Object.assign(new Error(path), { code: "EACCES" });
		} catch (cause) {
			return cause;
		}
	});
	if (faults.includes(null)) return;
	throw faults.find((fault) => errnoOf(fault) === "EACCES") ?? faults[0];
}

function refuse(sentence: string, status: number): number {
	process.stderr.write(`${program}: ${toSafeText(sentence)}\n`);
	return status;
}

function ending(child: ChildProcess): Promise<number> {
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", (code, signal) =>
			resolve(code ?? exitStatus.signalBase + osConstants.signals[signal ?? "SIGKILL"]),
		);
	});
}
