/** Values that somebody else wrote, made fit for a message on a terminal: one line, short, nothing invisible. */

/** Enough to recognise a value by, short enough for one line of a terminal. */
const maxCharacters = 60;

/** Controls, format characters (bidi marks among them), lone surrogates, unassigned; line and paragraph separators. */
const invisible = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** For names, which are ASCII: a look-alike letter shows itself. */
const notPrintableAscii = /[^\x20-\x7e]/gu;

/** `value` as JSON, cut to 60 characters; what a terminal would not show as itself is escaped. */
export function formatValue(value: unknown): string {
	return cut(JSON.stringify(value) ?? String(value)).replace(invisible, escapeCharacter);
}

/** A name in single quotes, cut to 60 characters; everything but printable ASCII is escaped. */
export function formatName(name: string): string {
	return `'${cut(name).replace(notPrintableAscii, escapeCharacter)}'`;
}

function cut(text: string): string {
	if (text.length <= maxCharacters) return text;
	const kept = [...text.slice(0, 2 * maxCharacters)].slice(0, maxCharacters - 3);
	return `${kept.join("")}...`;
}

function escapeCharacter(character: string): string {
	return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
