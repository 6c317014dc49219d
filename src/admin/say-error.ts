import type { QubesLiteError } from "../errors.ts";

/** On stderr, with what helps on a line of its own. */
export function sayError({ message, remedy }: QubesLiteError): void {
	process.stderr.write(`qubes-lite: ${message}\n${remedy === undefined ? "" : `  → ${remedy}\n`}`);
}
