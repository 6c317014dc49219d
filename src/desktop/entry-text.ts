/**
 * Values of a desktop entry (Desktop Entry Specification 1.5): a text's escapes, and a command line as Exec= has it. What comes out of here
 * is one line, and is read back as exactly what went in.
 */
import { QubesLiteError } from "../errors.ts";

/** Of type string or localestring, where the specification has escapes for \ and blanks. Throws for other control characters. */
export function formatText(value: string): string {
	if (/[\p{Cc}\p{Cs}]/u.test(value)) throw new TypeError(`No line of a desktop entry holds ${JSON.stringify(value)}`);
	return value.replaceAll("\\", "\\\\").replace(/^ /, "\\s");
}

/** Of which nothing is special to any reader of such lines. */
const plainWord = /^[A-Za-z0-9_./:@+,=-]+$/;

/**
 * Words as an Exec= line, without field codes. A word is quoted by the rules for Exec first, and the whole is escaped as any text then: "two
 * levels". Throws Unsupported for a program whose path no such line can have.
 */
export function formatExec(words: readonly string[]): string {
	if (words[0]?.includes("=") === true) {
		throw new QubesLiteError("Unsupported", `a menu entry can't start ${words[0]}: its path has a "="`, {
			remedy: "mv   # the directory of qubes-lite to another place, and: qubes-lite install",
		});
	}
	return formatText(words.map(quoteWord).join(" "));
}

function quoteWord(word: string): string {
	const quoted = word.replaceAll(/["`$\\]/g, "\\$&").replaceAll("%", "%%");
	return plainWord.test(word) ? word : `"${quoted}"`;
}

/** A line with a field code, which is the launcher's to fill in, at its end. */
export const formatExecWith = (words: readonly string[], fieldCode: "%u"): string =>
	`${formatExec(words)} ${fieldCode}`;

/** A group with its keys in their order; values as formatText() or formatExec() have made them. */
export const formatGroup = (name: string, keys: readonly (readonly [string, string])[]): string =>
	`[${name}]\n${keys.map(([key, value]) => `${key}=${value}\n`).join("")}`;
