/** Pages for man(1): roff with the man macros (man(7)), ASCII only, so that it reads alike in every locale. */

export type Block =
	/** A paragraph. Between backquotes: bold. */
	| string
	/** Terms, each with what it means. */
	| { readonly terms: readonly Term[] }
	/** Lines as they are typed. */
	| { readonly code: readonly string[] }
	| { readonly heading: string };

export interface Term {
	/** Bold between backquotes, as in a paragraph. */
	readonly term: string;
	readonly blocks: readonly Block[];
}

export interface Section {
	readonly title: string;
	readonly blocks: readonly Block[];
}

export interface Page {
	/** Without the number of the manual's section, which is 1. */
	readonly name: string;
	readonly version: string;
	readonly sections: readonly Section[];
}

/** Ends with a newline. Has no date: the same page is made of the same tables. */
export function formatRoff({ name, version, sections }: Page): string {
	const head = `.TH ${toWord(name.toUpperCase())} 1 "" ${toWord(`qubes-lite ${version}`)} "User Commands"\n`;
	/** Neither filled up to the right margin nor hyphenated: words of a command line stay whole. */
	const body = sections.map(({ title, blocks }) => `.SH ${toWord(title)}\n${formatBlocks(blocks)}`).join("");
	return `${head}.nh\n.ad l\n${body}`;
}

function formatBlocks(blocks: readonly Block[]): string {
	return blocks
		.map((block) => {
			if (typeof block === "string") return `.PP\n${toText(block)}\n`;
			if ("heading" in block) return `.SS ${toWord(block.heading)}\n`;
			if ("code" in block)
				return `.PP\n.in +4n\n.nf\n${block.code.map((line) => `${toLine(line)}\n`).join("")}.fi\n.in\n`;
			return block.terms.map(formatTerm).join("");
		})
		.join("");
}

function formatTerm({ term, blocks: [first = "", ...more] }: Term): string {
	const inner = more.length === 0 ? "" : `.RS\n${formatBlocks(more)}.RE\n`;
	const beginning = typeof first === "string" ? `${toText(first)}\n` : `\n.RS\n${formatBlocks([first])}.RE\n`;
	return `.TP\n${toText(term)}\n${beginning}${inner}`;
}

/** A paragraph or a term: one line of roff, in which what stands between backquotes is bold. */
function toText(text: string): string {
	const pieces = text.split("`").map((piece, index) => (index % 2 === 0 ? toRoff(piece) : `\\fB${toRoff(piece)}\\fR`));
	return guard(pieces.join(""));
}

const toLine = (text: string): string => guard(toRoff(text));

/** An argument of a macro. A quote within would end it. */
const toWord = (text: string): string => `"${toRoff(text).replaceAll('"', "\\(dq")}"`;

/** At the beginning of a line a dot or an apostrophe would be a request. */
const guard = (line: string): string => (/^[.']/.test(line) ? `\\&${line}` : line);

/** Characters that mean something else to roff, or are drawn as another one where they are not escaped (groff_char(7)). */
const escapes: Readonly<Record<string, string>> = {
	"\\": "\\e",
	"-": "\\-",
	"'": "\\(aq",
	"^": "\\(ha",
	"~": "\\(ti",
	"`": "\\(ga",
	"…": "...",
	"→": "->",
	"–": "\\-",
	"\n": " ",
};

const toRoff = (text: string): string => text.replaceAll(/[\\\-'^~`…→–\n]/g, (character) => escapes[character] ?? "");
