/** Words as systemd's own parser reads them back (systemd.service(5), "Command lines"; systemd.syntax(7), "Quoting"). Pure. */

/** Controls, and what systemd does not take for UTF-8 although it is (src/basic/utf8.c, unichar_is_valid): the line would not count. */
const refused = /[\p{Cc}\p{Noncharacter_Code_Point}]/gu;

const plain = /^[A-Za-z0-9/._,:=@+-]*$/;

/** Parts of words that systemd shall fill in: what stands in their place in the word, and what systemd has for it (`%t`, `${NAME}`). */
export type UnitHoles = ReadonlyMap<string, string>;

/**
 * One word of ExecStart= and its like, byte for byte but for its holes: no specifier (%), no variable ($) and no separator (;) in
 * it is taken for one. Throws for NUL, which no argument can hold.
 */
export function quoteUnitWord(word: string, holes: UnitHoles = new Map()): string {
	if (word.includes("\0")) throw new TypeError(`An argument holds a NUL character: ${JSON.stringify(word)}`);
	const parts = splitAt(word, [...holes.keys()]);
	const text = parts.map((part) => holes.get(part) ?? escapeUnitText(part)).join("");
	const isPlain = word !== "" && parts.every((part) => holes.has(part) || plain.test(part));
	return isPlain ? text : `"${text}"`;
}

/**
 * An Environment= of one variable. Unlike in command lines a $ stands for itself there. Throws TypeError for what systemd puts into no
 * variable: control characters but tab and line end (env_value_is_valid in its env-util.c).
 */
export function formatUnitVariable(name: string, value: string): string {
	if (/[^\P{Cc}\t\n]|\p{Noncharacter_Code_Point}/u.test(value)) {
		throw new TypeError(`systemd takes no variable ${name} with control characters: ${JSON.stringify(value)}`);
	}
	return `Environment="${name}=${escapeQuoted(value)}"`;
}

/** Inside double quotes. */
const escapeUnitText = (text: string): string => escapeQuoted(text.replaceAll("$", "$$$$"));

function escapeQuoted(text: string): string {
	return text
		.replaceAll("%", "%%")
		.replaceAll(/["\\]/g, "\\$&")
		.replaceAll(refused, (character) => [...Buffer.from(character)].map(toHexEscape).join(""));
}

const toHexEscape = (byte: number): string => `\\x${byte.toString(16).padStart(2, "0")}`;

/** "a1b2a" at "1" and "2" is "a", "1", "b", "2", "a". */
function splitAt(word: string, separators: readonly string[]): string[] {
	const [separator, ...others] = separators;
	if (separator === undefined) return [word];
	return word
		.split(separator)
		.flatMap((part, index) => [...(index === 0 ? [] : [separator]), ...splitAt(part, others)]);
}
