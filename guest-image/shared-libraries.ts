/** The shared libraries of a program of this machine, as its own loader finds them. */

import { QubesLiteError } from "../src/errors.ts";
import { runTool } from "./run-tool.ts";

/** Paths of all libraries and of the loader itself, from the output of `ldd`; throws an Error that names what is missing. */
export function parseLdd(output: string): string[] {
	const paths: string[] = [];
	for (const line of output.split("\n")) {
		const missing = /^\s*(\S+) => not found/.exec(line);
		if (missing !== null) throw new Error(`the library ${missing[1]} is not found`);
		const path = /^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/.exec(line)?.[1];
		if (path !== undefined) paths.push(path);
	}
	return paths;
}

/** Empty for a static program. */
export async function findSharedLibraries(program: string, signal: AbortSignal): Promise<string[]> {
	try {
		return parseLdd((await runTool(["ldd", program], { signal })).toString());
	} catch (error) {
		// ldd fails with these words where there is nothing to list.
		if (error instanceof Error && /not a dynamic executable|statically linked/.test(error.message)) return [];
		signal.throwIfAborted();
		throw QubesLiteError.from(error);
	}
}
