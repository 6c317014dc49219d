/**
 * Desktop entries as a desktop reads them, written from the Desktop Entry Specification and from nothing of ours: groups and keys, the escapes of a
 * text, the quoting of Exec, field codes.
 */

export interface ParsedEntry {
	/** Group by group, in their order, with values as they stand there. */
	readonly groups: readonly (readonly [string, ReadonlyMap<string, string>])[];
}

/** Throws for what the specification knows no meaning of. */
export function parseEntry(text: string): ParsedEntry {
	const groups: [string, Map<string, string>][] = [];
	for (const line of text.split("\n")) {
		if (line === "" || line.startsWith("#")) continue;
		if (line.startsWith("[")) {
			if (!/^\[[^[\]\p{Cc}]+\]$/u.test(line)) throw new Error(`no group: ${line}`);
			groups.push([line.slice(1, -1), new Map()]);
			continue;
		}
		const equals = line.indexOf("=");
		const keys = groups.at(-1)?.[1];
		if (equals < 1 || keys === undefined) throw new Error(`no key: ${line}`);
		const key = line.slice(0, equals);
		if (!/^[A-Za-z0-9-]+$/.test(key) || keys.has(key)) throw new Error(`not a key, or twice: ${key}`);
		keys.set(key, line.slice(equals + 1));
	}
	return { groups };
}

/** A value of type string. */
export function readText(value: string): string {
	let text = "";
	for (let at = 0; at < value.length; at++) {
		if (value[at] !== "\\") {
			text += value[at];
			continue;
		}
		at += 1;
		const meaning = { s: " ", n: "\n", t: "\t", r: "\r", "\\": "\\" }[value[at] ?? ""];
		if (meaning === undefined) throw new Error(`no such escape in ${value}`);
		text += meaning;
	}
	return text;
}

/** An Exec value as the words that are executed; `uri` is what %u stands for. */
export function readExec(value: string, uri?: string): string[] {
	const line = readText(value);
	const words: string[] = [];
	let at = 0;
	while (at < line.length) {
		if (line[at] === " ") {
			at += 1;
			continue;
		}
		let word = "";
		if (line[at] === '"') {
			for (at += 1; line[at] !== '"'; at++) {
				if (at >= line.length) throw new Error(`a quote is not closed: ${line}`);
				if (line[at] === "\\") {
					at += 1;
					if (!'"`$\\'.includes(line[at] ?? "")) throw new Error(`no such escape in a quoted word: ${line}`);
				} else if ("`$".includes(line[at] ?? "")) throw new Error(`must be escaped: ${line}`);
				word += line[at];
			}
			at += 1;
			if (at < line.length && line[at] !== " ") throw new Error(`a word is quoted in part: ${line}`);
		} else {
			for (; at < line.length && line[at] !== " "; at++) {
				if ("\t\n\"'\\><~|&;$*?#()`".includes(line[at] ?? "")) throw new Error(`must be quoted: ${line}`);
				word += line[at];
			}
		}
		words.push(...expand(word, uri));
	}
	return words;
}

function expand(word: string, uri: string | undefined): string[] {
	if (word === "%u") return uri === undefined ? [] : [uri];
	return [
		word.replaceAll(/%(.?)/g, (_, code: string) => {
			if (code !== "%") throw new Error(`a field code in ${word}`);
			return "%";
		}),
	];
}
