/** How far a copy is, and what is left out of it. */
import { leftOutMax, toWords } from "../../copy/guest-report.ts";
import type { CopyLine } from "./copy-line.ts";

export class Tally {
	readonly #line: CopyLine | null;
	files = 0;
	bytes = 0;
	/** Safe text, one line each; not more than can be read. */
	readonly leftOut: string[] = [];
	leftOutCount = 0;

	/** The line is told as well. */
	constructor(line: CopyLine | null) {
		this.#line = line;
	}

	begin(): void {
		this.#line?.begin();
	}

	expect(total: number): void {
		this.#line?.expect(total);
	}

	readonly count = (files: number, bytes: number): void => {
		this.files += files;
		this.bytes += bytes;
		this.#line?.add(bytes);
	};

	readonly leaveOut = (what: string): void => {
		this.leftOutCount += 1;
		if (this.leftOut.length < leftOutMax) this.leftOut.push(toWords(what));
	};
}
