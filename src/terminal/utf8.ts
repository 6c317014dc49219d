/** UTF-8 read character by character, and which characters a guest may show. */

/**
 * What begins at `at`, where a byte of 0x80 or above stands: the character's code point; or, below zero, the count of bytes
 * that are no character together, which is Unicode's "maximal subpart" and what TextDecoder replaces by one U+FFFD; or 0 if
 * the bytes end before that can be known.
 */
export function decodeAt(bytes: Uint8Array, at: number): number {
	const lead = bytes[at] as number;
	if (lead < 0xc2 || lead > 0xf4) return -1;
	const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	// The second byte's range leaves out overlong forms, surrogates and what is above U+10FFFF (Unicode, table 3-7).
	let least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
	let most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
	let codePoint = lead & (0xff >> (size + 1));
	for (let index = 1; index < size; index++) {
		if (at + index >= bytes.length) return 0;
		const byte = bytes[at + index] as number;
		if (byte < least || byte > most) return -index;
		codePoint = (codePoint << 6) | (byte & 0x3f);
		least = 0x80;
		most = 0xbf;
	}
	return codePoint;
}

export const sizeOf = (codePoint: number): number => (codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4);

export const printable = 0;
/**
 * Controls; format characters, among them all that turn the direction of text (Trojan Source, CVE-2021-42574) and tags;
 * what else is not seen (Default_Ignorable_Code_Point: fillers, the grapheme joiner); line and paragraph separators;
 * surrogates; what is unassigned in our Node's Unicode, so its look and width are unknown.
 */
export const unprintable = 1;
/** Private use: the glyphs of Powerline and Nerd Fonts, else anything. */
export const privateUse = 2;
/** ZWNJ and ZWJ: format characters, but Persian, Indic scripts and emoji are misspelt without. */
export const joiner = 3;
/** Variation selectors: not seen, and emoji and CJK are misspelt without. */
export const selector = 4;

/** Kinds by blocks of 256 code points, each filled when it is first met: all at once would cost the client's start 50 ms. */
const blocks: (Uint8Array | undefined)[] = [];

/** One of the kinds above. Marks are printable. */
export function kindOf(codePoint: number): number {
	const block = blocks[codePoint >> 8] ?? fillBlock(codePoint >> 8);
	return block[codePoint & 0xff] as number;
}

function fillBlock(number: number): Uint8Array {
	const block = new Uint8Array(256).map((_, index) => {
		const codePoint = (number << 8) | index;
		if (codePoint === 0x200c || codePoint === 0x200d) return joiner;
		const character = String.fromCodePoint(codePoint);
		if (/\p{Variation_Selector}/u.test(character)) return selector;
		if (/\p{Co}/u.test(character)) return privateUse;
		return /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(character) ? unprintable : printable;
	});
	blocks[number] = block;
	return block;
}
