/** Programs of the host, looked up as a shell would. */
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

/** Absolute path of the first executable `name` in `searchPath` (`$PATH`). Relative directories are passed over. */
export const findProgram = (searchPath: string, name: string): string | undefined =>
	listPrograms(searchPath, name).next().value;

/** Of all, in their order. */
export function* listPrograms(searchPath: string, name: string): Generator<string, undefined> {
	for (const directory of searchPath.split(":")) {
		const found = isAbsolute(directory) ? executable(join(directory, name)) : undefined;
		if (found !== undefined) yield found;
	}
}

/** `path` where it is a file that we may execute. */
export function executable(path: string): string | undefined {
	try {
		accessSync(path, constants.X_OK);
		return statSync(path).isFile() ? path : undefined;
	} catch {
		return undefined;
	}
}
