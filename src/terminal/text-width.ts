/** How many columns of a terminal a text takes. */

/**
 * From here on characters may be two columns wide (Unicode TR 11: Hangul Jamo is the first that is Wide). Narrow ones that
 * come later, but for typographic marks, count as two: a line is rather cut too early than wrapped.
 */
const wideFrom = 0x1100;
/** General punctuation to box drawing and blocks: "…", arrows, and what tools draw with. */
const narrowAgain = { from: 0x2000, to: 0x2bff };

function columnsOf(character: string): number {
	const code = character.codePointAt(0) ?? 0;
	return code < wideFrom || (code >= narrowAgain.from && code <= narrowAgain.to) ? 1 : 2;
}

export const widthOf = (text: string): number => [...text].reduce((sum, character) => sum + columnsOf(character), 0);

/** `text`, or its beginning and an ellipsis: at most `width` columns. "" where there is none. */
export function cutToWidth(text: string, width: number): string {
	if (widthOf(text) <= width) return text;
	if (width < 1) return "";
	let cut = "";
	let left = width - 1;
	for (const character of text) {
		left -= columnsOf(character);
		if (left < 0) break;
		cut += character;
	}
	return `${cut}…`;
}
