/** Asks a program of the host something that it answers at once. */
import { execFile } from "node:child_process";

export interface Answer {
	/** null: it could not be started, or did not end in time and was killed. */
	readonly status: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** Of words such as a version or a unit's properties. */
const outputMaxBytes = 1024 * 1024;

/** Resolves always, a few ms after `withinMs` at the latest. */
export function runProgram(
	argv: readonly [string, ...string[]],
	env: Readonly<Record<string, string | undefined>>,
	withinMs: number,
): Promise<Answer> {
	const [program, ...words] = argv;
	const options = { env: { ...env }, timeout: withinMs, killSignal: "SIGKILL", maxBuffer: outputMaxBytes } as const;
	return new Promise((resolve) => {
		const child = execFile(program, words, options, (_error, stdout, stderr) =>
			resolve({ status: child.exitCode, stdout, stderr }),
		);
		child.stdin?.end();
	});
}
