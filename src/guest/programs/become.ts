/** This process becomes another program, so that nothing of ours stays beside what was asked for. */
import { QubesLiteError } from "../../errors.ts";
import { libc } from "../agent/libc.ts";
import { findOnPath } from "./find-on-path.ts";

/** <signal.h>: those that Node ignores, and a program of the user's must not. */
const SIGPIPE = 13;
const SIGXFSZ = 25;

/** Returns only by throwing: NotRunning where there is no such program. */
export function become([name = "", ...words]: readonly string[], directory: string | undefined): never {
	const file = findOnPath(name, process.env.PATH);
	if (file === undefined) throw new QubesLiteError("NotRunning", `${name}: not found in the guest`);
	// Where its directory is gone it starts where we are.
	try {
		if (directory !== undefined) process.chdir(directory);
	} catch {}
	const signal = libc("void *signal(int number, void *handler)");
	for (const number of [SIGPIPE, SIGXFSZ]) signal(number, null);
	process.removeAllListeners("warning");
	process.execve?.(file, [name, ...words], process.env);
	throw new QubesLiteError("Internal", `${file} can't be executed`);
}
