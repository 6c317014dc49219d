/** Trees as they may come: those that were asked for, in their order, each directory before what is in it and all of that at once. */
import { QubesLiteError } from "../errors.ts";
import { malformed, type TreeEntry } from "./tree-entry.ts";

export class TreeOrder {
	/** Those that have not come. */
	readonly #roots: string[];
	/** The directories that may still get something, from the root down. */
	#open: string[] = [];

	constructor(roots: readonly string[]) {
		this.#roots = [...roots];
	}

	/** How many directories stay open, the one that the entry is in being the last. Throws BadRequest on what was not asked for, or has no place there. */
	take(entry: TreeEntry): number {
		const parents = entry.path.slice(0, -1);
		if (parents.length > this.#open.length || parents.some((name, index) => name !== this.#open[index])) {
			throw malformed("something comes outside of its directory");
		}
		if (parents.length === 0) this.#takeRoot(entry);
		this.#open = entry.kind === "directory" ? [...entry.path] : parents;
		return parents.length;
	}

	/** Nothing more comes. Throws BadRequest where something is missing. */
	end(): void {
		if (this.#roots.length > 0) throw malformed("not all that was asked for has come");
	}

	#takeRoot({ path, kind }: TreeEntry): void {
		const [name] = path;
		const expected = this.#roots.shift();
		if (expected !== name) {
			const what = expected === undefined ? "more than was asked for" : `"${name}" where "${expected}" was asked for`;
			throw new QubesLiteError("BadRequest", `the other end has sent ${what}`);
		}
		if (kind === "link") throw malformed("what was asked for is a link");
	}
}
