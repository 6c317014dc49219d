/** Trees from one directory into another, by way of an archive: what arrives, under which name, and what does not. */
import {
	closeSync,
	existsSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rootNameOf } from "../../src/copy/root-name.ts";
import { TarReader } from "../../src/tar/tar-reader.ts";
import { openDirectoryAt, openPlace } from "../../src/trees/place.ts";
import { measure, readTrees } from "../../src/trees/read-tree.ts";
import { TreeWriter } from "../../src/trees/write-tree.ts";
import { archive, hostile, raw } from "../tar/archives.ts";

let directory: string;
const from = (...parts: string[]) => join(directory, "from", ...parts);
const to = (...parts: string[]) => join(directory, "to", ...parts);
let leftOut: string[];

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-trees-"));
	for (const one of [from(), to(), from("dir"), to("there")]) mkdirSync(one);
	for (const name of ["a", "b", "-x", "dir/in"]) writeFileSync(from(name), name);
	leftOut = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Receiving {
	readonly roots: readonly string[];
	readonly destination: string;
	readonly force?: boolean;
	readonly maxBytes?: number;
}

/** Writes the archive; nothing without its final name is left however that ends. */
async function receive(pieces: Iterable<Buffer>, { roots, destination, force = false, maxBytes = 1e9 }: Receiving) {
	const place = await openPlace({ path: to(destination), roots, force, open: openDirectoryAt });
	const writer = new TreeWriter(place, { leaveOut: (what) => leftOut.push(what), count: () => {}, maxBytes });
	const reader = new TarReader(writer);
	try {
		for (const piece of pieces) reader.push(piece);
		reader.end();
		writer.finish();
	} finally {
		writer.abandon();
		closeSync(place.directory);
		const places = [to(), to("there")].filter((one) => existsSync(one));
		expect(places.flatMap((one) => readdirSync(one)).filter((name) => name.startsWith(".qubes-lite"))).toEqual([]);
	}
}

async function copy(paths: readonly string[], destination: string, force = false): Promise<void> {
	const sources = paths.map((path) => ({ fd: openSync(from(path), "r"), root: rootNameOf(path), shown: path }));
	try {
		measure(sources);
		const pieces = readTrees(sources, { leaveOut: (what) => leftOut.push(what), count: () => {} });
		await receive(pieces, { roots: sources.map(({ root }) => root), destination, force });
	} finally {
		for (const { fd } of sources) closeSync(fd);
	}
}

const names = () => readdirSync(to(), { recursive: true }).map(String).sort();

describe("a copy", () => {
	it.each([
		[["a"], ".", ["a", "there"]],
		[["a"], "new", ["new", "there"]],
		[["-x"], "there/", ["there", "there/-x"]],
		[["dir"], "new", ["new", "new/in", "there"]],
		[["dir/"], "new/", ["new", "new/in", "there"]],
		[["dir"], "there", ["there", "there/dir", "there/dir/in"]],
		[["dir/."], "new", ["new", "new/in", "there"]],
		[["a", "b", "dir"], "there", ["there", "there/a", "there/b", "there/dir", "there/dir/in"]],
	] as const)("of %j to %s has the name that cp(1) gives it", async (paths, destination, expected) => {
		await copy(paths, destination);
		expect(names()).toEqual(expected);
	});

	it.each([
		[["a", "b"], "new", "and several files need one"],
		[["a"], "new/", "there is no directory"],
		[["a"], "no/new", "to/no: it is not there"],
		[["dir/."], "there", "no name of its own"],
	] as const)("of %j to %s has none", async (paths, destination, words) => {
		await expect(copy(paths, destination)).rejects.toThrow(words);
		expect(names()).toEqual(["there"]);
	});

	it("does not replace what is there, unless it may: then files, and what is in directories", async () => {
		for (const one of [to("dir"), to("there/dir")]) mkdirSync(one);
		for (const one of ["a", "dir/in", "dir/kept"]) writeFileSync(to(one), "mine");
		symlinkSync(to("there/target"), to("b"));
		symlinkSync(directory, to("there/dir/in"));
		for (const name of ["a", "b", "dir"])
			await expect(copy([name], ".")).rejects.toThrow(`${to(name)} is there already`);
		await copy(["a", "b", "dir"], ".", true);
		expect(["a", "b", "dir/in", "dir/kept"].map((name) => readFileSync(to(name), "utf8"))).toEqual([
			"a",
			"b",
			"dir/in",
			"mine",
		]);
		await copy(["dir"], "there", true);
		expect([to("b"), to("there/dir/in")].map((path) => lstatSync(path).isFile())).toEqual([true, true]);
		expect(existsSync(to("there/target"))).toBe(false);
	});

	it("puts no directory in a file's place, nor a file in a directory's, and looks before it replaces anything", async () => {
		mkdirSync(to("dir/in"), { recursive: true });
		writeFileSync(from("dir/a"), "new");
		writeFileSync(to("dir/a"), "mine");
		await expect(copy(["dir"], ".", true)).rejects.toThrow(`${to("dir/in")} is a directory, and what comes is a file`);
		expect(readFileSync(to("dir/a"), "utf8")).toBe("mine");
		rmSync(to("dir"), { recursive: true });
		writeFileSync(to("dir"), "mine");
		await expect(copy(["dir"], ".", true)).rejects.toThrow("is no directory, and what comes is one");
	});

	it("follows no link that directories have in them, and copies none that leads out", async () => {
		symlinkSync(from("a"), from("dir/absolute"));
		symlinkSync("../a", from("dir/up"));
		symlinkSync("in", from("dir/link"));
		await copy(["dir"], ".");
		expect(names()).toEqual(["dir", "dir/in", "dir/link", "there"]);
		expect(leftOut).toEqual(["absolute", "up"].map((name) => `dir/${name}: a link that leads out of what is copied`));
	});

	it("ends where a file becomes shorter, or is replaced by a link, while it is read", async () => {
		const long = Buffer.alloc(600_000, "x");
		for (const [change, words] of [
			[() => writeFileSync(from("dir/in"), ""), "dir/in became shorter while it was copied"],
			[() => rmSync(from("dir/z")), "dir/z went away while it was copied"],
		] as const) {
			writeFileSync(from("dir/in"), long);
			writeFileSync(from("dir/z"), "z");
			const fd = openSync(from("dir"), "r");
			const pieces = readTrees([{ fd, root: "dir", shown: "dir" }], { leaveOut: () => {}, count: () => {} });
			const changing = (function* () {
				let count = 0;
				for (const piece of pieces) {
					yield piece;
					if (++count === 3) change();
				}
			})();
			await expect(receive(changing, { roots: ["dir"], destination: "." })).rejects.toThrow(words);
			closeSync(fd);
		}
		expect(names()).toEqual(["there"]);
	});
});

describe("what a hostile end sends", () => {
	it.each(Object.entries(hostile))("leaves nothing: %s", async (_, [bytes, words]) => {
		const receiving = receive([bytes], { roots: ["a"], destination: "." });
		await expect(receiving).rejects.toThrow(
			/asked for|outside of its directory|comes twice/.test(String(words)) ? words : Error,
		);
		expect(names()).toEqual(["there"]);
		expect(readdirSync(directory).sort()).toEqual(["from", "to"]);
	});

	const aDirectory = raw({ name: "a", type: "5" });
	it.each([
		["another name", archive(raw({ name: ".bashrc" })), 'has sent ".bashrc" where "a" was asked for'],
		["more", archive(raw({ name: "a" }), raw({ name: "b" })), "more than was asked for"],
		["a link", archive(raw({ name: "a", type: "2", target: "/etc/passwd" })), "what was asked for is a link"],
		["a name twice", archive(aDirectory, raw({ name: "a/b" }), raw({ name: "a/b" })), "a name comes twice"],
		[
			"a directory twice",
			archive(aDirectory, raw({ name: "a/b", type: "5" }), raw({ name: "a/b", type: "5" })),
			"twice",
		],
		[
			"a file through a link",
			archive(aDirectory, raw({ name: "a/l", type: "2", target: "." }), raw({ name: "a/l/x" })),
			"outside of its directory",
		],
		[
			"a file where it has put a link",
			archive(aDirectory, raw({ name: "a/l", type: "2", target: "b" }), raw({ name: "a/l" })),
			"a name comes twice",
		],
		[
			"a directory where it has put a link",
			archive(aDirectory, raw({ name: "a/l", type: "2", target: "b" }), raw({ name: "a/l", type: "5" })),
			"a name comes twice",
		],
		["too much", archive(raw({ name: "a", content: "x".repeat(5000) })), "there are more than 4096 bytes"],
		[
			"too much in parts",
			archive(aDirectory, ...["b", "c"].map((name) => raw({ name: `a/${name}`, content: "x".repeat(3000) }))),
			"4096",
		],
		["a size of 8 EiB", archive(raw({ name: "a", size: "77777777777" })), "there are more than 4096 bytes"],
	])("leaves nothing: %s", async (_, bytes, words) => {
		await expect(receive([bytes], { roots: ["a"], destination: ".", maxBytes: 4096 })).rejects.toThrow(words);
		expect(names()).toEqual(["there"]);
	});

	it("gets no link that leads out, even by way of another one", async () => {
		const link = (name: string, target: string) => raw({ name: `a/d/${name}`, type: "2", target });
		const links = [
			link("up", ".."),
			link("1", "up/../../x"),
			link("2", "/etc"),
			link("3", "../../../x"),
			link("ok", "../d/up"),
		];
		await receive([archive(aDirectory, raw({ name: "a/d", type: "5" }), ...links)], { roots: ["a"], destination: "." });
		expect(readdirSync(to("a/d"))).toEqual(["ok", "up"]);
		expect(leftOut).toHaveLength(3);
	});
});

describe("somebody else", () => {
	const late = (act: () => void): Iterable<Buffer> =>
		(function* () {
			yield archive(raw({ name: "a", content: "theirs" }));
			act();
		})();

	it("puts a link where it is to go, which is neither followed nor replaced", async () => {
		const act = () => symlinkSync(from("victim"), to("a"));
		await expect(receive(late(act), { roots: ["a"], destination: "." })).rejects.toThrow("a is there already");
		expect([existsSync(from("victim")), lstatSync(to("a")).isSymbolicLink()]).toEqual([false, true]);
	});

	it("replaces the directory that it goes into by a link: what was opened gets it", async () => {
		const act = () => {
			rmSync(to("there"), { recursive: true });
			symlinkSync(from(), to("there"));
		};
		await expect(receive(late(act), { roots: ["a"], destination: "there" })).rejects.toThrow(Error);
		expect(readFileSync(from("a"), "utf8")).toBe("a");
	});
});
