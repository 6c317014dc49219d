/** A program as execvp(3) finds it. */
import { accessSync, constants, statSync } from "node:fs";

/** Undefined where there is none that may be executed. */
export function findOnPath(name: string, path = "/usr/local/bin:/usr/bin:/bin"): string | undefined {
	const files = name.includes("/") ? [name] : path.split(":").map((directory) => `${directory || "."}/${name}`);
	return files.find((file) => {
		try {
			accessSync(file, constants.X_OK);
			return statSync(file).isFile();
		} catch {
			return false;
		}
	});
}
