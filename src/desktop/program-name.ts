/** Names of programs as guests report them, made fit for the host's menu. */
import { programNameMaxChars } from "../protocol/programs.ts";
import { toSafeText } from "../terminal/safe-text.ts";

/** Scripts that are written from right to left. */
const rightToLeft =
	/[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

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

/** "Firefox (shopping)": which vm it is, is ours to say, always at the end, and the name can't move it. */
export function toMenuName(name: string, vm: string): string {
	const shown = rightToLeft.test(name) ? `${isolate.begin}${name}${isolate.end}` : name;
	return `${shown} (${vm})`;
}
