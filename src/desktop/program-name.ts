/** Names of programs as guests report them, made fit for the host's menu. */
import { programNameMaxChars } from "../protocol/programs.ts";
import { toSafeText } from "../terminal/safe-text.ts";

/**
 * What is written from right to left, the bidirectional classes R and AL: the blocks that Unicode keeps for it, so that scripts to come are in it as well (DerivedBidiClass.txt,
 * @missing), and a mark. Regular expressions know no such classes, only scripts, of which there are thirty by now.
 */
const rightToLeft = /[\u0590-\u08FF\u200F\uFB1D-\uFDFF\uFE70-\uFEFF\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;

/** First strong isolate, and its end: what is in between can't move what follows it (Unicode TR 9). */
const isolate = { begin: "\u2068", end: "\u2069" };

/** One line of at most 64 characters, none of them control or format characters; `id` where nothing is left. */
export function toProgramName(untrusted: string, id: string): string {
	const safe = toSafeText(untrusted.slice(0, 16 * programNameMaxChars).normalize("NFC"))
		.replaceAll("\uFFFD", "")
		// More marks than any script has on one letter would climb over the lines above.
		.replaceAll(/(\p{M}{4})\p{M}+/gu, "$1")
		.replaceAll(/\s+/gu, " ")
		.trim();
	const name = [...safe].slice(0, programNameMaxChars).join("").trim();
	return name === "" ? id : name;
}

/**
 * "Firefox (shopping)": which vm it is, is ours to say, always at the end, and the name can't move it. Only names that could are isolated: the others would begin
 * with a character that nobody types, by which launchers sort them and don't find them, and for which old fonts draw a box.
 */
export function toMenuName(name: string, vm: string): string {
	const shown = rightToLeft.test(name) ? `${isolate.begin}${name}${isolate.end}` : name;
	return `${shown} (${vm})`;
}
