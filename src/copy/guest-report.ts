/** What `qubes-lite-guest send` and `receive` say on standard error: a line of JSON each, of which the host believes only what costs nothing. Pure. */
import { toSafeText } from "../terminal/safe-text.ts";

export type GuestReport =
	/** Before anything is sent: how much it will be. */
	| { readonly kind: "total"; readonly files: number; readonly bytes: number }
	/** All is sent, or has its name in the guest. */
	| { readonly kind: "done"; readonly files: number; readonly bytes: number; readonly leftOut: readonly string[] }
	/** Nothing is. `isTaken`: because something has the name; what helps there the host says in words of its own. */
	| { readonly kind: "failed"; readonly message: string; readonly isTaken?: true };

/** More are counted, and not named. */
export const leftOutMax = 20;
const wordsMaxChars = 400;

export const formatReport = (report: GuestReport): string => `${JSON.stringify({ schema: 1, ...report })}\n`;

/** Words are safe text on one line. Undefined for what is no report. */
export function parseReport(line: string): GuestReport | undefined {
	let found: unknown;
	try {
		found = JSON.parse(line);
	} catch {
		return undefined;
	}
	if (typeof found !== "object" || found === null) return undefined;
	const { kind, files, bytes, leftOut, message, isTaken } = found as Readonly<Record<string, unknown>>;
	if (kind === "failed" && typeof message === "string") {
		return { kind, message: toWords(message), ...(isTaken === true && { isTaken }) };
	}
	if (!isCount(files) || !isCount(bytes)) return undefined;
	if (kind === "total") return { kind, files, bytes };
	if (kind !== "done" || !Array.isArray(leftOut)) return undefined;
	return { kind, files, bytes, leftOut: leftOut.slice(0, leftOutMax).map((what) => toWords(String(what))) };
}

/** Also what this host's own files are called may have been a guest's choice. */
export const toWords = (text: string): string =>
	toSafeText(text)
		.replaceAll(/[\n\t]/g, "\uFFFD")
		.slice(0, wordsMaxChars);

const isCount = (value: unknown): value is number =>
	typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
