/** What the guest's program says on its standard error, line by line, within bounds. */
import { type GuestReport, parseReport } from "../../copy/guest-report.ts";
import { QubesLiteError } from "../../errors.ts";
import type { OutputSink } from "../../session-client/session-streams.ts";
import { lastLines } from "../../terminal/safe-text.ts";

/** Two reports with twenty names of files, generously. */
const wordsMaxBytes = 64 * 1024;

export class ReportSink implements OutputSink {
	readonly #told: (report: GuestReport) => void;
	#rest = Buffer.alloc(0);
	#length = 0;
	#others = "";

	constructor(told: (report: GuestReport) => void) {
		this.#told = told;
	}

	/** Safe text: the last line that is no report; undefined: there is none. */
	get otherWords(): string | undefined {
		return lastLines(this.#others, 1)[0];
	}

	write(bytes: Buffer, written: (error?: Error | null) => void): void {
		this.#length += bytes.length;
		if (this.#length > wordsMaxBytes) {
			written(new QubesLiteError("Limit", "the guest says more than there is to say"));
			return;
		}
		const text = Buffer.concat([this.#rest, bytes]);
		const end = text.lastIndexOf("\n") + 1;
		this.#rest = text.subarray(end);
		for (const line of text.toString("utf8", 0, end).split("\n")) this.#take(line);
		written();
	}

	end(written: (error?: Error | null) => void): void {
		this.#take(this.#rest.toString("utf8"));
		written();
	}

	#take(line: string): void {
		if (line === "") return;
		const report = parseReport(line);
		if (report === undefined) this.#others += `${line}\n`;
		else this.#told(report);
	}
}
