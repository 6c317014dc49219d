/** What is to be run, from the options and our own surroundings. */
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import type { WriteStream } from "node:tty";
import { QubesLiteError } from "../errors.ts";
import type { Exec, TerminalSize } from "../protocol/exec.ts";
import type { RunArguments } from "./run-arguments.ts";

/** For a terminal that does not know its own: what the VT100 had. */
const usualSize: TerminalSize = { rows: 24, columns: 80 };

/** What a program needs to know of the terminal that its output is shown on. */
const terminalVariables = ["TERM", "COLORTERM"];

export interface Surroundings {
	readonly env: NodeJS.ProcessEnv;
	readonly stdin: { readonly isTTY?: boolean };
	readonly stdout: Pick<WriteStream, "isTTY" | "rows" | "columns">;
	readonly stderr: Pick<WriteStream, "isTTY" | "rows" | "columns">;
}

/** Throws BadRequest where a variable can't be passed on unchanged. */
export function toExec(options: RunArguments, { env, stdin, stdout, stderr }: Surroundings): Exec {
	const isInteractive = stdin.isTTY === true && stdout.isTTY && stderr.isTTY;
	const hasTerminal = options.tty ?? (isInteractive && !options.detach);
	const words = hasTerminal ? [...terminalVariables, ...options.environment] : options.environment;
	return {
		argv: options.command,
		env: toEnvironment(words, env),
		cwd: options.directory,
		user: options.user,
		tty: hasTerminal ? terminalSize({ stdout, stderr }) : null,
		detach: options.detach,
	};
}

/** The size of the terminal that we write to, or the usual one. */
export function terminalSize({ stdout, stderr }: Pick<Surroundings, "stdout" | "stderr">): TerminalSize {
	const stream = [stdout, stderr].find(({ isTTY, rows, columns }) => isTTY && rows > 0 && columns > 0);
	return stream === undefined ? usualSize : { rows: stream.rows, columns: stream.columns };
}

/** "K" alone passes our own on; what is not set is left out, as env programs do. */
function toEnvironment(words: readonly string[], ours: NodeJS.ProcessEnv): Record<string, string> {
	const env: Record<string, string> = Object.create(null);
	for (const word of words) {
		const equals = word.indexOf("=");
		const name = equals < 0 ? word : word.slice(0, equals);
		const value = equals < 0 ? ours[name] : word.slice(equals + 1);
		if (value === undefined) continue;
		if (equals < 0 && value.includes("\uFFFD")) checkOwnValue(name);
		env[name] = value;
	}
	return env;
}

/** Node decodes the environment leniently: proc_pid_environ(5) has the bytes. */
function checkOwnValue(name: string): void {
	const prefix = Buffer.from(`${name}=`);
	const bytes = readFileSync("/proc/self/environ");
	for (let at = 0; at < bytes.length; ) {
		const end = bytes.indexOf(0, at);
		const word = bytes.subarray(at, end < 0 ? bytes.length : end);
		if (word.subarray(0, prefix.length).equals(prefix) && !isUtf8(word)) {
			throw new QubesLiteError(
				"BadRequest",
				`the value of ${name} is not valid UTF-8, and can't be passed on unchanged`,
			);
		}
		at += word.length + 1;
	}
}
