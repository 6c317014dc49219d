/** Options in the manner of getopt_long(3) that stop at the first word that is none: what follows belongs to somebody else. */
import { QubesLiteError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";

export interface Option {
	/** "--no-start", and "-n" where it has one. */
	readonly names: readonly string[];
	/** "optional" is given with = only, as in --disposable=work. */
	readonly value: "none" | "required" | "optional";
	/** What a value stands for, in errors: "a number of seconds". */
	readonly wants?: string;
}

/** What to say of options that people bring from other programs, by their spelling. */
export type Pointers = Readonly<Record<string, string>>;

export interface ParsedOptions<Name extends string> {
	/** In the order they were given. */
	readonly given: readonly { readonly name: Name; readonly value: string | null }[];
	readonly rest: readonly string[];
}

/** `-nq`, `-uroot`, `-u root`, `--user=root` and `--user root` are understood. Throws BadRequest with the nearest spelling. */
export function parseOptions<Name extends string>(
	words: readonly string[],
	options: Readonly<Record<Name, Option>>,
	help: string,
	pointers: Pointers = {},
): ParsedOptions<Name> {
	const usage = (message: string): QubesLiteError => new QubesLiteError("BadRequest", message, { remedy: help });
	const known = Object.entries(options) as [Name, Option][];
	const given: { name: Name; value: string | null }[] = [];
	const find = (spelling: string): [Name, Option] => {
		const found = known.find(([, option]) => option.names.includes(spelling));
		if (found !== undefined) return found;
		if (Object.hasOwn(pointers, spelling)) throw usage(`there is no option ${spelling}: ${pointers[spelling]}`);
		const meant = nearestName(
			spelling,
			known.flatMap(([, option]) => option.names.filter((name) => name.length > 2)),
		);
		throw usage(`there is no option ${spelling}${meant === undefined ? "" : `; did you mean ${meant}?`}`);
	};
	let at = 0;
	const need = (spelling: string, option: Option): string => {
		const value = words[++at];
		if (value === undefined) throw usage(`${spelling} needs ${option.wants ?? "a value"}`);
		return value;
	};
	for (; at < words.length; at++) {
		const word = words[at] ?? "";
		if (!word.startsWith("-") || word === "-" || word === "--") break;
		if (word.startsWith("--")) {
			const equals = word.indexOf("=");
			const spelling = equals < 0 ? word : word.slice(0, equals);
			const [name, option] = find(spelling);
			if (equals < 0) given.push({ name, value: option.value === "required" ? need(spelling, option) : null });
			else if (option.value === "none") throw usage(`${spelling} takes no value`);
			else given.push({ name, value: word.slice(equals + 1) });
			continue;
		}
		for (let letter = 1; letter < word.length; letter++) {
			const spelling = `-${word[letter]}`;
			const [name, option] = find(spelling);
			if (option.value !== "required") {
				given.push({ name, value: null });
				continue;
			}
			const attached = word.slice(letter + 1);
			given.push({ name, value: attached === "" ? need(spelling, option) : attached });
			break;
		}
	}
	return { given, rest: words.slice(at) };
}
