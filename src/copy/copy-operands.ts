/** `SOURCE… DEST` of `qubes-lite cp`: which side is in a vm. Pure. */
import { parseVmName } from "../config/vm-name.ts";
import { QubesLiteError } from "../errors.ts";
import { findNameFault, namelessRoot } from "../tar/tree-entry.ts";
import { rootNameOf } from "./root-name.ts";

export interface Copy {
	readonly vm: string;
	readonly direction: "from" | "to";
	/** As the user has them, without the vm. */
	readonly sources: readonly string[];
	readonly destination: string;
	/** What each source is called where it arrives. */
	readonly roots: readonly string[];
}

interface Operand {
	readonly vm: string | undefined;
	readonly path: string;
}

/** As scp(1) has it: a colon before any slash ends the name of a vm. `./a:b` is a file here. Throws BadName. */
export function parseOperand(word: string): Operand {
	const colon = word.indexOf(":");
	const slash = word.indexOf("/");
	if (colon <= 0 || (slash >= 0 && slash < colon)) return { vm: undefined, path: word };
	return { vm: parseVmName(word.slice(0, colon)), path: word.slice(colon + 1) };
}

/** Throws BadRequest where not exactly one side is in one vm, and where names can't be. */
export function parseOperands(words: readonly string[]): Copy {
	const operands = words.map(parseOperand);
	const last = operands.pop();
	if (last === undefined || operands.length === 0) throw bad("what is to be copied, and where to?");
	const vms = new Set(operands.map(({ vm }) => vm));
	const [vm] = vms;
	if (vms.size > 1) throw bad("all sources must be in one vm, or all of them here");
	if (vm !== undefined && last.vm !== undefined) {
		throw bad("a copy goes from a vm to here, or from here to a vm", "two of them, one after the other");
	}
	const its = vm ?? last.vm;
	if (its === undefined) throw bad("neither side is in a vm: VM:PATH", "name it, as in shopping:letter.pdf");
	const sources = operands.map(({ path }) => path);
	// On this side an empty word is no path; in a vm it is the home.
	if ((vm === undefined ? sources : [last.path]).includes("")) throw bad("an empty word is no path");
	if ([...sources, last.path].some((path) => path.includes("\0"))) throw bad("a path holds a NUL byte");
	const roots = sources.map(rootNameOf);
	checkRoots(roots);
	return { vm: its, direction: vm === undefined ? "to" : "from", sources, destination: last.path, roots };
}

function checkRoots(roots: readonly string[]): void {
	const seen = new Set<string>();
	for (const root of roots) {
		const fault = root === namelessRoot ? undefined : findNameFault(root);
		if (fault !== undefined) throw bad(`a name that is to be copied ${fault}`);
		if (seen.has(root)) throw bad(`two sources would both be "${root}" there`);
		seen.add(root);
	}
}

const bad = (message: string, remedy?: string): QubesLiteError => new QubesLiteError("BadRequest", message, { remedy });

const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** "16G": bytes; undefined for what is no such number. */
export function parseBytes(word: string): number | undefined {
	const match = /^([0-9]{1,15})([KMGT]?)$/.exec(word);
	const bytes = Number(match?.[1]) * (units[match?.[2] ?? ""] ?? Number.NaN);
	return match !== null && Number.isSafeInteger(bytes) ? bytes : undefined;
}
