import { describe, expect, it } from "vitest";
import type { TreeEntry } from "../../src/tar/tree-entry.ts";
import { TreeOrder } from "../../src/tar/tree-order.ts";

const common = { mode: 0o755, mtimeS: 0 };
const directory = (path: string): TreeEntry => ({ kind: "directory", path: path.split("/"), ...common });
const file = (path: string): TreeEntry => ({ kind: "file", path: path.split("/"), ...common, bytes: 0 });
const link = (path: string): TreeEntry => ({ kind: "link", path: path.split("/"), ...common, target: "x" });

/** How many directories stay open for each. */
function take(roots: readonly string[], entries: readonly TreeEntry[]): number[] {
	const order = new TreeOrder(roots);
	const taken = entries.map((entry) => order.take(entry));
	order.end();
	return taken;
}

describe("trees", () => {
	it("come in the order in which they were asked for, directories before what is in them", () => {
		const entries = ["a", "a/b", "a/b/c"].map(directory);
		expect(take(["a", "z"], [...entries, file("a/b/d"), link("a/e"), file("z")])).toEqual([0, 1, 2, 2, 1, 0]);
	});

	it.each([
		["another name", ["a"], [file("b")], 'has sent "b" where "a" was asked for'],
		["more than was asked for", ["a"], [file("a"), file("b")], "more than was asked for"],
		["the same once more", ["a"], [file("a"), file("a")], "more than was asked for"],
		["less", ["a", "b"], [file("a")], "not all that was asked for"],
		["nothing", ["a"], [], "not all that was asked for"],
		["another order", ["a", "b"], [file("b"), file("a")], 'has sent "b" where "a" was asked for'],
		["a link instead", ["a"], [link("a")], "is a link"],
		["a file in a file", ["a"], [file("a"), file("a/b")], "outside of its directory"],
		["a file in a link", ["a"], [directory("a"), link("a/b"), file("a/b/c")], "outside of its directory"],
		["a file without its directory", ["a"], [directory("a"), file("a/b/c")], "outside of its directory"],
		["a directory that was left", ["a"], [directory("a"), directory("a/b"), file("a/c"), file("a/b/d")], "outside"],
		["another tree's directory", ["a", "b"], [directory("a"), directory("b"), file("a/c")], "outside"],
	] as const)("do not come as %s", (_, roots, entries, words) => {
		expect(() => take(roots, entries)).toThrow(words);
	});
});
