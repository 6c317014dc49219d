/** Desktop entries of the guest, as its programs have installed them (Desktop Entry Specification 1.5). Pure. */

/** Keys of a group with their values as they stand there. */
export type Group = ReadonlyMap<string, string>;

/** The group of this name; of a key that is there twice the first counts. Undefined where there is none. */
export function parseGroup(text: string, name: string): Group | undefined {
	let group: Map<string, string> | undefined;
	for (const line of text.split("\n")) {
		if (line.startsWith("[")) {
			if (group !== undefined) return group;
			if (line.trimEnd() === `[${name}]`) group = new Map();
			continue;
		}
		const match = /^([A-Za-z0-9-]+)[ \t]*=[ \t]*(.*?)[ \t\r]*$/.exec(line);
		if (group === undefined || match === null || group.has(match[1] ?? "")) continue;
		group.set(match[1] ?? "", match[2] ?? "");
	}
	return group;
}

const escapes: Readonly<Record<string, string>> = { s: " ", n: "\n", t: "\t", r: "\r", "\\": "\\" };

/** A value of type string. What is no escape of theirs stays as it is. */
export const unescapeText = (value: string): string =>
	value.replaceAll(/\\(.)/g, (whole, letter: string) => escapes[letter] ?? whole);

/** The words of an Exec= line, whose escapes are undone already; undefined where a quote is not closed or nothing is left. */
export function parseExec(line: string): string[] | undefined {
	const words: string[] = [];
	const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)/gy;
	let at = 0;
	for (let match = pattern.exec(line); match !== null; match = pattern.exec(line)) {
		at = pattern.lastIndex;
		const [, quoted, plain] = match;
		const word = withoutFieldCodes(quoted === undefined ? (plain ?? "") : quoted.replaceAll(/\\(["`$\\])/g, "$1"));
		if (word !== undefined) words.push(word);
	}
	return line.slice(at).trim() === "" && words.length > 0 && words[0] !== "" ? words : undefined;
}

/** There are no files and links to fill in. A word that was one goes; undefined then. */
function withoutFieldCodes(word: string): string | undefined {
	if (/^%[fFuUdDnNickvm]$/.test(word)) return undefined;
	return word.replaceAll(/%(.)/g, (_, code: string) => (code === "%" ? "%" : ""));
}

export interface Application {
	readonly name: string;
	readonly terminal: boolean;
	readonly argv: readonly string[];
	/** A theme's name for it, or an absolute path. */
	readonly icon: string | undefined;
	/** Where it starts. */
	readonly directory: string | undefined;
	/** It is there only where this program is. */
	readonly tryExec: string | undefined;
}

/** Undefined for what belongs into no menu, or can't be started by a command. */
export function parseApplication(text: string): Application | undefined {
	const group = parseGroup(text, "Desktop Entry");
	if (group === undefined || group.get("Type") !== "Application") return undefined;
	const isTrue = (key: string): boolean => group.get(key) === "true";
	if (isTrue("NoDisplay") || isTrue("Hidden") || group.has("OnlyShowIn")) return undefined;
	const textOf = (key: string): string | undefined => {
		const value = group.get(key);
		return value === undefined || value === "" ? undefined : unescapeText(value);
	};
	const argv = parseExec(textOf("Exec") ?? "");
	const name = textOf("Name");
	if (argv === undefined || name === undefined) return undefined;
	const [icon, directory, tryExec] = [textOf("Icon"), textOf("Path"), textOf("TryExec")];
	return { name, terminal: isTrue("Terminal"), argv, icon, directory, tryExec };
}
