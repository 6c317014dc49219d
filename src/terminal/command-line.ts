/** A command with its arguments on one line, for people: as a shell would read it back, and safe to show. Pure. */
import { shellWord } from "../shell-word.ts";
import { toSafeText } from "./safe-text.ts";

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'" };

/** At most `maxChars`; what is cut ends with "…". */
export function formatCommandLine(argv: readonly string[], maxChars: number): string {
	let line = "";
	for (const word of argv) {
		/** What comes after that is cut in any case, and escapes only make it longer. */
		line += `${line === "" ? "" : " "}${toShown(cut(word, maxChars + 2))}`;
		if (line.length > maxChars) return `${cut(line, maxChars - 1)}…`;
	}
	return line;
}

/** In no character's middle. */
const cut = (text: string, length: number): string => text.slice(0, length).replace(/[\ud800-\udbff]$/, "");

/** Control and format characters as escapes of $'…', which bash, zsh, ksh and POSIX sh of 2024 read. */
function toShown(word: string): string {
	if (isPlain(word)) return shellWord(word);
	return `$'${[...word].map(toEscaped).join("")}'`;
}

const isPlain = (text: string): boolean => toSafeText(text) === text && !/[\n\t]/.test(text);

function toEscaped(character: string): string {
	const name = named[character];
	if (name !== undefined) return name;
	if (isPlain(character)) return character;
	const code = character.codePointAt(0) ?? 0;
	const hex = code.toString(16);
	if (code < 0x80) return `\\x${hex.padStart(2, "0")}`;
	return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
