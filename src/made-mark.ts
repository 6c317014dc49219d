/** The first lines of a text file of ours, by which it is known again: as we made it, or edited since. `#` begins a comment in all of them. Pure. */
import { createHash } from "node:crypto";

export interface Mark {
	put(body: string): string;
	judge(text: string): "ours" | "edited" | "foreign";
	/** What put() has marked. */
	bodyOf(text: string): string;
}

/** `why` ends "Made by qubes-lite, and …". */
export function createMark(why: string): Mark {
	const begin = `# Made by qubes-lite, and ${why}.\n# sha256 of what follows: `;
	const bodyOf = (text: string): string => text.slice(text.indexOf("\n", begin.length) + 1);
	return {
		put: (body) => `${begin}${hash(body)}\n${body}`,
		judge(text) {
			if (!text.startsWith(begin)) return "foreign";
			const end = text.indexOf("\n", begin.length);
			return text.slice(begin.length, end) === hash(bodyOf(text)) ? "ours" : "edited";
		},
		bodyOf,
	};
}

const hash = (body: string): string => createHash("sha256").update(body).digest("hex").slice(0, 32);
