/** The files of a policy as bytes in, rules out, with every problem: nobody mends a file one line at a time. */
import { formatName } from "../config/format-value.ts";
import {
	type Complain,
	parseAction,
	parseArgument,
	parseHost,
	parseOpenTarget,
	parseService,
	parseSource,
	parseTarget,
} from "./parse-words.ts";
import type { PolicyProblem } from "./problem.ts";
import { defaultRule, type OpenUrlRule, openUrlWord, type Place, type Rule } from "./rule.ts";

export interface PolicyFile {
	readonly path: string;
	readonly bytes: Uint8Array;
}

export interface ParsedPolicy {
	/** Their paths, in the order in which they count. */
	readonly files: readonly string[];
	readonly rules: readonly Rule[];
	readonly openUrls: readonly OpenUrlRule[];
	/** Where there is one, the rules count for nothing. */
	readonly problems: readonly PolicyProblem[];
}

/** For people; a longer line is no rule. */
const lineMaxChars = 1024;
/** Where there are more somebody has put another file there; what follows is not looked at. */
const problemsMax = 1000;

/**
 * What an editor may show as the end of a line, or out of its order: behind a # somebody would see a rule that is none. Tabs are blanks.
 */
const misleading = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;

/** `files` in the order in which they count; `problems` of others that could not be read. No file at all is the built-in default. */
export function parsePolicy(files: readonly PolicyFile[], problems: readonly PolicyProblem[] = []): ParsedPolicy {
	const parsed: ParsedLines = { rules: [], openUrls: [], problems: [...problems] };
	for (const file of files) parseFile(file, parsed);
	const isDefault = files.length === 0 && problems.length === 0;
	return {
		...parsed,
		files: files.map(({ path }) => path),
		rules: isDefault ? [defaultRule] : parsed.rules,
	};
}

interface ParsedLines {
	readonly rules: Rule[];
	readonly openUrls: OpenUrlRule[];
	readonly problems: PolicyProblem[];
}

function parseFile({ path, bytes }: PolicyFile, parsed: ParsedLines): void {
	for (const [index, untrusted] of splitLines(bytes).entries()) {
		if (parsed.problems.length > problemsMax) return;
		const complain: Complain = (sentence) => {
			const { length } = parsed.problems;
			const isLast = length === problemsMax;
			const told = isLast
				? `has one more mistake, and so may all behind it; expected at most ${problemsMax}`
				: sentence;
			if (length <= problemsMax) parsed.problems.push({ file: path, line: index + 1, sentence: told });
		};
		const text = decodeLine(untrusted, index === 0, complain);
		if (text !== undefined)
			parseLine({ file: path, line: index + 1, text: text.replace(/^[ \t]+|[ \t]+$/g, "") }, parsed, complain);
	}
}

/** No byte of a character of several is a line feed (RFC 3629, 3). */
function splitLines(bytes: Uint8Array): Uint8Array[] {
	const lines: Uint8Array[] = [];
	let from = 0;
	for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, from)) {
		lines.push(bytes.subarray(from, end));
		from = end + 1;
	}
	return [...lines, bytes.subarray(from)];
}

function decodeLine(bytes: Uint8Array, isFirst: boolean, complain: Complain): string | undefined {
	let text: string;
	try {
		/** Only at the beginning of a file is a byte order mark none of its text. */
		text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: !isFirst }).decode(bytes);
	} catch {
		complain("is not UTF-8; expected text");
		return undefined;
	}
	if (text.length > lineMaxChars) {
		complain(`has ${text.length} characters; expected at most ${lineMaxChars}`);
		return undefined;
	}
	const [character] = misleading.exec(text) ?? [];
	if (character === undefined) return text;
	complain(`has the invisible character ${formatName(character)}; expected text, blanks and tabs`);
	return undefined;
}

/** Blanks and tabs are between words; a word that begins with # begins a comment. */
function toWords(text: string): string[] {
	const words = text.split(/[ \t]+/).filter((word) => word !== "");
	const comment = words.findIndex((word) => word.startsWith("#"));
	return comment === -1 ? words : words.slice(0, comment);
}

function parseLine(at: Place, { rules, openUrls }: ParsedLines, complain: Complain): void {
	const words = toWords(at.text);
	const [first] = words;
	if (first === undefined) return;
	const isOpenUrl = first === openUrlWord;
	const form = isOpenUrl ? `${openUrlWord} HOSTPATTERN TARGET` : "SERVICE ARGUMENT SOURCE TARGET ACTION";
	if (words.length !== form.split(" ").length) {
		complain(`is ${formatName(words.join(" "))}; expected ${form}`);
	} else if (isOpenUrl) {
		const rule = toOpenUrl(at, words, complain);
		if (rule !== undefined) openUrls.push(rule);
	} else {
		const rule = toRule(at, words, complain);
		if (rule !== undefined) rules.push(rule);
	}
}

function toRule(at: Place, words: readonly string[], complain: Complain): Rule | undefined {
	const [first = "", second = "", third = "", fourth = "", fifth = ""] = words;
	const service = parseService(first, complain);
	const argument = parseArgument(second, service, complain);
	const source = parseSource(third, complain);
	const target = parseTarget(fourth, complain);
	const action = parseAction(fifth, complain);
	if (service === undefined || argument === undefined || source === undefined) return undefined;
	return target === undefined || action === undefined ? undefined : { at, service, argument, source, target, action };
}

function toOpenUrl(at: Place, [, second = "", third = ""]: readonly string[], complain: Complain) {
	const host = parseHost(second, complain);
	const target = parseOpenTarget(third, complain);
	return host === undefined || target === undefined ? undefined : { at, host, target };
}
