/** What a program on the bus wants to be run, as it comes: arguments of a method, and its options. */
import { isUtf8 } from "node:buffer";
import { QubesLiteError } from "../../errors.ts";
import type { CallOptions } from "./call-options.ts";
import type { Command } from "./runs.ts";

/** A day, as for run-in-vm. */
const timeoutMaxSeconds = 24 * 3600;

/** All but the vm. Throws BadRequest. */
export function toCommand(argv: readonly string[], options: CallOptions): Omit<Command, "vm" | "disposable"> {
	const directory = options.string("directory");
	if (directory !== null && !directory.startsWith("/")) {
		throw new QubesLiteError("BadRequest", "the option 'directory' is not an absolute path of the guest");
	}
	return {
		argv,
		...{ env: options.strings("environment"), user: options.string("user"), directory },
		start: !options.boolean("noStart"),
		timeoutMs: options.uint("timeout", timeoutMaxSeconds) * 1000,
		capture: options.boolean("capture"),
	};
}

/** Guests get what is UTF-8 (docs/protocol.md); a word of other bytes would be another one there. */
export function parseArgvBytes(words: readonly Uint8Array[]): string[] {
	return words.map((word, index) => {
		const bytes = word.at(-1) === 0 ? word.subarray(0, -1) : word;
		if (isUtf8(bytes)) return Buffer.from(bytes).toString("utf8");
		throw new QubesLiteError(
			"BadRequest",
			`word ${index} of the command is not UTF-8, and no other bytes reach a guest unchanged`,
		);
	});
}
