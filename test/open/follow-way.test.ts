/** Where paths lead, against the kernel's own answer; and which directories a way leaves. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { lstat, readlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findLeft, followWay, isBelow, linksMax, type Way } from "../../src/open/follow-way.ts";

/** A host that has nothing but links. */
const follow = (path: string, links: Readonly<Record<string, string>> = {}): Promise<Way> =>
	followWay(path, async (place) => links[place]);

describe("a way", () => {
	it("is every place at which a name was looked up, and its end", async () => {
		expect(await follow("/a//b/./c/")).toEqual({ places: ["/a", "/a/b", "/a/b/c"], end: "/a/b/c" });
		expect(await follow("/")).toEqual({ places: [], end: "/" });
		expect(await follow("/a/b/c", { "/a/b": "../d/./e/..", "/d": "/x/y" })).toEqual({
			places: ["/a", "/a/b", "/d", "/x", "/x/y", "/x/y/e", "/x/y/c"],
			end: "/x/y/c",
		});
		expect(await follow("/a", { "/a": "../../.." })).toEqual({ places: ["/a"], end: "/" });
	});

	it("over too many links, as in a circle, has no end", async () => {
		const chain = Object.fromEntries(Array.from({ length: linksMax }, (_, index) => [`/${index}`, `${index + 1}`]));
		expect(await follow("/0", chain)).toMatchObject({ end: `/${linksMax}` });
		const message = `/0 leads over more than ${linksMax} links`;
		await expect(follow("/0", { ...chain, [`/${linksMax}`]: "x" })).rejects.toMatchObject({
			code: "BadRequest",
			message,
		});
		await expect(follow("/a/b", { "/a": "a/b" })).rejects.toMatchObject({ code: "BadRequest" });
	});
});

describe("on a real file system", () => {
	let top: string;
	beforeAll(() => {
		top = realpathSync(mkdtempSync(join(tmpdir(), "ql-way-")));
		mkdirSync(join(top, "a/b"), { recursive: true });
		writeFileSync(join(top, "a/b/file"), "");
		const links = {
			up: "a/b/..",
			down: "up/b/",
			file: "./down/../b/file",
			whole: join(top, "file"),
			"a/out": "../file",
		};
		for (const [name, target] of Object.entries(links)) symlinkSync(target, join(top, name));
	});
	afterAll(() => rmSync(top, { recursive: true }));

	it.each(["", "a", "up", "down", "down/file", "file", "whole", "a/out", "up/out", "none", "up/none", "file/x"])(
		"it ends where the kernel says: %s",
		async (name) => {
			const path = join(top, name);
			const linkAt = async (place: string) => ((await lstat(place)).isSymbolicLink() ? readlink(place) : undefined);
			const found = await followWay(path, linkAt).then(
				({ end }) => end,
				({ code }) => code,
			);
			expect(found).toBe(kernelSays(path));
		},
	);
});

function kernelSays(path: string): string {
	try {
		return realpathSync.native(path);
	} catch (cause) {
		return (cause as NodeJS.ErrnoException).code ?? "";
	}
}

describe("a directory that a way leaves", () => {
	const left = async (path: string, links: Readonly<Record<string, string>>, ...directories: string[]) => {
		const found = directories.map((directory) => ({ path: directory }));
		return findLeft(await follow(path, links), found)?.path;
	};

	it.each<[path: string, links: Record<string, string>, left: string | undefined]>([
		["/s/a", {}, undefined],
		["/s/a", { "/s/a": "/b" }, "/s"],
		["/s/a/b", { "/s/a": "../o" }, "/s"],
		["/s/a", { "/s/a": "b/c" }, undefined],
		["/s/a", { "/s/a": "/x", "/x": "/s/b" }, undefined],
		["/x", { "/x": "s/a", "/s/a": "/b" }, "/s"],
		["/x/a", { "/x": "/s", "/s/a": "/b" }, "/s"],
		["/x", { "/x": "s/../b" }, undefined],
		["/x", { "/x": "s/a/../../b" }, "/s"],
		["/x", { "/x": "/b" }, undefined],
		["/sa", { "/sa": "/b" }, undefined],
		["/s/a", { "/s/a": "/sa/b" }, "/s"],
		["/s/a", { "/s/a": "." }, "/s"],
	])("of /s: %s with %j", async (path, links, expected) => {
		expect(await left(path, links, "/other", "/s")).toBe(expected);
	});

	it("is also one within another, whose guest does not have all of that other one", async () => {
		expect(await left("/s/t/a", { "/s/t/a": "../b" }, "/s", "/s/t")).toBe("/s/t");
		expect(await left("/s/a", { "/s/a": "t/b" }, "/s", "/s/t")).toBeUndefined();
	});

	it("is never the root, which has everything in it", async () => {
		expect(await left("/s/a", { "/s/a": "/b" }, "/")).toBeUndefined();
		expect([isBelow("/", "/a"), isBelow("/", "/"), isBelow("/a", "/a"), isBelow("/a", "/ab")]).toEqual([
			...[true, false, false, false],
		]);
	});
});
