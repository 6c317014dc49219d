/**
 * Texts of notifications. A guest may have a word in them: no control characters, no lines but ours, and nothing that a server could
 * take for markup (Desktop Notifications Specification 1.2, "Markup").
 */
import { toSafeText } from "../../terminal/safe-text.ts";

/** A bubble shows less; a log shows the rest. */
const linesMaxChars = 300;
/** A long reason leaves room for what helps. */
const lineMaxChars = 200;

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
/** They look alike, and mean nothing to anybody. */
const standIns: Readonly<Record<string, string>> = { "&": "\uFF06", "<": "\u2039", ">": "\u203A" };

/** No server should read markup in a summary, and some do. */
export const toSummary = (text: string): string => replaceMarkup(toLine(text, lineMaxChars), standIns);

/** `hasMarkup`: the server reads it, and shows entities as what they stand for; another one shows them as they are written. */
export function toBody(lines: readonly string[], hasMarkup: boolean): string {
	let left = linesMaxChars;
	const shown: string[] = [];
	for (const line of lines) {
		if (left <= 0) break;
		const words = toLine(line, Math.min(left, lineMaxChars));
		if (words === "") continue;
		shown.push(words);
		left -= [...words].length + 1;
	}
	return replaceMarkup(shown.join("\n"), hasMarkup ? entities : standIns);
}

const replaceMarkup = (text: string, by: Readonly<Record<string, string>>): string =>
	text.replace(/[&<>]/g, (character) => by[character] ?? "");

function toLine(text: string, maxChars: number): string {
	/** Of a text of megabytes only what may be shown is looked at. */
	const line = toSafeText(text.slice(0, 4 * lineMaxChars)).replace(/[\n\t ]+/g, " ");
	const characters = [...line.trim()];
	return characters.length <= maxChars ? characters.join("") : `${characters.slice(0, maxChars - 1).join("")}…`;
}
