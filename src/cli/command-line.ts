/** Words as they were given: node decodes argv leniently, and a byte that is not UTF-8 would silently become another. */
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { QubesLiteError } from "../errors.ts";

/** Throws BadRequest where an argument is not valid UTF-8. Reads proc_pid_cmdline(5). */
export function checkArguments(): void {
	if (process.argv.some((word) => word.includes("\uFFFD")) && !isUtf8(readFileSync("/proc/self/cmdline"))) {
		throw new QubesLiteError("BadRequest", "an argument is not valid UTF-8, and can't be passed on unchanged", {
			remedy: "pass such bytes through standard input",
		});
	}
}

/** "run-in-vm: sentence" and the remedy below it. */
export function formatError(program: string, error: QubesLiteError): string {
	const remedy = error.remedy === undefined ? "" : `  → ${error.remedy}\n`;
	return `${program}: ${error.message}\n${remedy}`;
}
