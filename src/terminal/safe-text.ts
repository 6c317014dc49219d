/**
 * Text that a guest influenced, made safe to show or log: printable Unicode, tab and newline stay; every control and
 * format character, and what is not UTF-8, becomes U+FFFD. (The filter for live streams is the terminal's own room.)
 */
export function toSafeText(text: string | Buffer): string {
	const decoded = typeof text === "string" ? text : text.toString("utf8");
	return decoded
		.replace(/\r\n?/g, "\n")
		.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu, (character) =>
			character === "\n" || character === "\t" ? character : "\uFFFD",
		);
}

/** The last `count` lines that hold anything, safe, each cut at 200 characters. */
export function lastLines(text: string | Buffer, count: number): string[] {
	return toSafeText(text)
		.split("\n")
		.map((line) => line.trimEnd().slice(0, 200))
		.filter((line) => line !== "")
		.slice(-count);
}
