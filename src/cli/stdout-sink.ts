/** Our standard output for what a guest or a vmm wrote: filtered on a terminal, as it is in a pipe. */
import { errnoOf, QubesLiteError } from "../errors.ts";
import { FilteredSink } from "./output-sink.ts";

/** Nobody but the user can help: a full disk, or no disk. */
export const unwritable = (cause: Error): QubesLiteError =>
	new QubesLiteError("Internal", `the output cannot be written: ${cause.message}`, { cause });

export class StdoutSink {
	readonly #sink = new FilteredSink(process.stdout, null);

	/** `hasColour`: cursor and colours may pass to a terminal, as from a terminal in the guest; else text alone. */
	constructor(hasColour: boolean) {
		this.#sink.begin(hasColour);
	}

	/** Resolves when more may come; false: nobody reads it any more. Rejects where it can't be written. */
	write(bytes: Buffer): Promise<boolean> {
		return new Promise((resolve, reject) => {
			this.#sink.write(bytes, (error) => {
				if (error === null || error === undefined) resolve(true);
				else if (errnoOf(error) === "EPIPE") resolve(false);
				else reject(unwritable(error));
			});
		});
	}

	/** The terminal is as it was. Idempotent. */
	restore(): void {
		this.#sink.restore();
	}
}
