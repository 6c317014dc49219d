/** What the broker tells while a command runs: why a window of its vm is not to be seen. */
import type { Notice } from "../protocol/broker.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { program } from "./commands/run-in-vm.ts";

export function sayNotice({ message, remedy }: Notice): void {
	const lines = [`${program}: ${message}`, ...(remedy === null ? [] : [`  → ${remedy}`])];
	// In raw mode the end of a line does not go back to its begin.
	const end = process.stderr.isTTY ? "\r\n" : "\n";
	process.stderr.write(lines.map((line) => `${toSafeText(line).replaceAll("\n", " ")}${end}`).join(""));
}
