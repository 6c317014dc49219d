/** A picture that the configuration names: it is the user's own, and still nothing that runs or fetches belongs into a menu. */

const refused: readonly [RegExp, string][] = [
	[/<!ENTITY|<!DOCTYPE[^>]*\[/i, "declares entities"],
	[/<(?:\w+:)?script\b|\son\w+\s*=/i, "has scripts"],
	[/<(?:\w+:)?foreignObject\b/i, "holds foreign objects"],
	[/<\?xml-stylesheet|@import/i, "has style sheets elsewhere"],
	[
		/\bhref\s*=\s*["']\s*(?!#|data:image\/(?:png|jpeg);)[^"'\s]|url\(\s*["']?\s*(?![#"'\s])/i,
		"refers to what is elsewhere",
	],
];

/** What is wrong with it, as the end of a sentence that begins with its path; undefined: nothing. */
export function findSvgProblem(bytes: Buffer): string | undefined {
	let text: string;
	try {
		text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
	} catch {
		return "is not UTF-8";
	}
	if (!/<svg[\s>]/.test(text)) return "is no SVG";
	return refused.find(([pattern]) => pattern.test(text))?.[1];
}
