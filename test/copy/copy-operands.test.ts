import { describe, expect, it } from "vitest";
import { parseBytes, parseOperand, parseOperands } from "../../src/copy/copy-operands.ts";
import { fromHome, rootNameOf } from "../../src/copy/root-name.ts";

describe("an operand", () => {
	it.each([
		["shopping:a b", "shopping", "a b"],
		["shopping:", "shopping", ""],
		["shopping:/etc/x:y", "shopping", "/etc/x:y"],
		["./a:b", undefined, "./a:b"],
		["/x/a:b", undefined, "/x/a:b"],
		[":a", undefined, ":a"],
		["a", undefined, "a"],
		["-", undefined, "-"],
	] as const)("%s is in the vm %s, or here", (word, vm, path) => {
		expect(parseOperand(word)).toEqual({ vm, path });
	});

	it("is in no vm whose name can't be one", () => {
		expect(() => parseOperand("Shopping!:x")).toThrow("is not a vm name");
	});
});

describe("a copy", () => {
	it("goes from a vm to here", () => {
		expect(parseOperands(["vault:a/b/", "vault:c", "."])).toEqual({
			...{ vm: "vault", direction: "from", sources: ["a/b/", "c"], destination: ".", roots: ["b", "c"] },
		});
	});

	it("goes from here to a vm", () => {
		expect(parseOperands(["a", "/", "vault:"])).toMatchObject({ direction: "to", destination: "", roots: ["a", "."] });
	});

	it.each([
		[[], "what is to be copied"],
		[["vault:a"], "what is to be copied"],
		[["a", "b"], "neither side is in a vm"],
		[["vault:a", "vault:b"], "from a vm to here"],
		[["vault:a", "other:b"], "from a vm to here"],
		[["vault:a", "b", "c"], "all sources must be in one vm"],
		[["vault:a", "other:b", "c"], "all sources must be in one vm"],
		[["", "vault:"], "an empty word is no path"],
		[["vault:a", ""], "an empty word is no path"],
		[["x/a", "y/a", "vault:"], 'would both be "a"'],
		[["vault:a\nb", "."], "control character"],
		[["vault:a\0b", "."], "NUL"],
	] as const)("is not %j", (words, message) => {
		expect(() => parseOperands(words)).toThrow(message);
	});
});

it.each([
	["a/b", "b"],
	["a/b/", "b"],
	["a//b/.", "."],
	["/", "."],
	["", "."],
	[".", "."],
	["a/..", "."],
	["..", "."],
	["../..", "."],
	["~", "."],
	["~/", "."],
	["~/x", "x"],
	["-rf", "-rf"],
] as const)("%j is called %j where it arrives", (path, name) => {
	expect(rootNameOf(path)).toBe(name);
});

it.each([
	["", "/home/user"],
	["~", "/home/user"],
	["~/", "/home/user"],
	["~/a", "/home/user/a"],
	["a/", "/home/user/a/"],
	["/a", "/a"],
	["~root", "/home/user/~root"],
	["../x", "/home/user/../x"],
] as const)("%j is %j for who lives in /home/user", (path, place) => {
	expect(fromHome(path, "/home/user")).toBe(place);
});

it("sizes may be given in powers of 1024", () => {
	expect(["0", "7", "2K", "3M", "16G", "1T"].map(parseBytes)).toEqual([0, 7, 2048, 3145728, 17179869184, 2 ** 40]);
	for (const word of ["", "K", "-1", "1.5G", "1e3", "1k", "999999999999999T"]) expect(parseBytes(word)).toBeUndefined();
});
