/**
 * Looks at a diff of a file while it streams by: runs of `u32 from, u32 to` in words of the file, each followed by those words, which must
 * lie in the file and in the diff. waypipe on the host is a C program that copies by them.
 */
import { GuestFault } from "./faults.ts";

const wordBytes = 4;
const runHeadBytes = 8;

export class DiffCheck {
	readonly #fileWords: number;
	/** What of the diff is still to come, without the bytes behind its runs. */
	#rest: number;
	#runRest = 0;
	#trailing: number;
	readonly #touch: (start: number, end: number) => void;
	readonly #head = Buffer.alloc(runHeadBytes);
	#headBytes = 0;

	/** `touch` hears of each run, in bytes of the file. */
	constructor(fileBytes: number, diffBytes: number, trailing: number, touch: (start: number, end: number) => void) {
		this.#fileWords = Math.floor(fileBytes / wordBytes);
		this.#rest = diffBytes;
		this.#trailing = trailing;
		this.#touch = touch;
	}

	/** Throws a GuestFault at the first run that leads out of the file or the diff. */
	push(piece: Buffer): void {
		let offset = 0;
		while (offset < piece.length) {
			if (this.#runRest > 0) {
				const taken = Math.min(this.#runRest, piece.length - offset);
				this.#runRest -= taken;
				offset += taken;
			} else if (this.#rest > 0) {
				const taken = piece.copy(this.#head, this.#headBytes, offset, offset + runHeadBytes - this.#headBytes);
				this.#headBytes += taken;
				offset += taken;
				if (this.#headBytes === runHeadBytes) this.#beginRun();
			} else {
				const taken = piece.length - offset;
				this.#trailing -= taken;
				offset += taken;
			}
		}
	}

	/** Throws where the diff ended inside a run's head. */
	end(): void {
		if (this.#rest > 0 || this.#runRest > 0 || this.#trailing !== 0) throw outside();
	}

	#beginRun(): void {
		this.#headBytes = 0;
		const from = this.#head.readUInt32LE(0);
		const to = this.#head.readUInt32LE(wordBytes);
		const bytes = (to - from) * wordBytes;
		if (from >= to || to > this.#fileWords || runHeadBytes + bytes > this.#rest) throw outside();
		this.#touch(from * wordBytes, to * wordBytes);
		this.#runRest = bytes;
		this.#rest -= runHeadBytes + bytes;
	}
}

function outside(): GuestFault {
	return new GuestFault("it sent changes of pixels that lie outside of their file");
}
