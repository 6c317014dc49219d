/** A file of the host's where somebody who may write above it has changed the way there, or changes it while it is opened. */
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFile } from "../../src/host/open-file.ts";
import { createVm } from "../vmm/facts.ts";

let top: string;
const at = (...parts: string[]): string => join(top, ...parts);

beforeEach(() => {
	top = realpathSync(mkdtempSync(join(tmpdir(), "ql-open-")));
	for (const directory of ["shared/letters", "private"]) mkdirSync(at(directory), { recursive: true });
	writeFileSync(at("shared/letters/a.txt"), "a letter");
	writeFileSync(at("private/a.txt"), "a secret");
});
afterEach(() => rmSync(top, { recursive: true }));

/** `change` happens when all links have been followed and nothing has been opened, or, `before` readlink(2), when it has. */
async function openWhile(change: () => void, path: string, before: "open" | "readlink" = "open"): Promise<string> {
	const real = promises[before] as (...args: readonly unknown[]) => Promise<unknown>;
	const put = (call: typeof real): void => {
		Object.assign(promises, { [before]: call });
		syncBuiltinESMExports();
	};
	put((...args) => {
		change();
		return real(...args);
	});
	try {
		await using file = await openFile(path, []);
		return await file.handle.readFile("utf8");
	} finally {
		put(real);
	}
}

it("links that are there before are followed", async () => {
	symlinkSync("shared", at("link"));
	symlinkSync("letters/a.txt", at("shared/link.txt"));
	await using file = await openFile(at("link/link.txt"), []);
	expect(file).toMatchObject({ path: at("shared/letters/a.txt"), bytes: 8 });
	expect(await openWhile(() => {}, at("link/link.txt"))).toBe("a letter");
});

/** What a guest shares. */
const sharing = (path: string, readOnly = false) => [
	createVm({ name: "banking" }),
	createVm({ sharedDirectories: [{ tag: "docs", path, readOnly }] }),
];

describe("a link in a directory that a guest shares", () => {
	const refusal = (path: string, end = at("private/a.txt")) => ({
		code: "BadRequest",
		message: `${path} leads to ${end} by way of ${at("shared")}, where shopping can put links, so it is not opened`,
		remedy: `namei -l ${path}   # see who has put the link there, or name the file itself`,
	});

	it("and that leads out of it is refused: the guest would be handed a file of the host's that it has chosen", async () => {
		symlinkSync(at("private/a.txt"), at("shared/letters/b.txt"));
		const path = at("shared/letters/b.txt");
		await expect(openFile(path, sharing(at("shared")))).rejects.toMatchObject(refusal(path));
	});

	it("is refused wherever it is on the way: a directory, behind a link of the host's, behind one that leads back in", async () => {
		symlinkSync("../private", at("shared/dir"));
		symlinkSync("shared", at("link"));
		symlinkSync("shared/dir/a.txt", at("latest"));
		symlinkSync(at("latest"), at("shared/again"));
		for (const path of [at("shared/dir/a.txt"), at("link/dir/a.txt"), at("latest"), at("link/again")])
			await expect(openFile(path, sharing(at("shared")))).rejects.toMatchObject(refusal(path));
	});

	it("is refused where the configuration names the directory by a link, or the path is relative", async () => {
		symlinkSync("shared", at("link"));
		symlinkSync(at("private/a.txt"), at("shared/b.txt"));
		const path = relative(process.cwd(), at("shared/b.txt"));
		await expect(openFile(path, sharing(at("link")))).rejects.toMatchObject(refusal(path));
	});

	it("is followed as long as it stays in it, and where the guest can't write", async () => {
		symlinkSync("../shared/letters/a.txt", at("shared/inside.txt"));
		await using inside = await openFile(at("shared/inside.txt"), sharing(at("shared")));
		expect(inside.path).toBe(at("shared/letters/a.txt"));
		symlinkSync(at("private/a.txt"), at("shared/b.txt"));
		await using readOnly = await openFile(at("shared/b.txt"), sharing(at("shared"), true));
		expect(readOnly.path).toBe(at("private/a.txt"));
	});

	it("is nobody's concern outside of it, be it named through the directory", async () => {
		symlinkSync("private/a.txt", at("link.txt"));
		symlinkSync("shared/letters/a.txt", at("latest"));
		for (const path of [at("link.txt"), `${at("shared/letters")}/../../link.txt`, at("private/a.txt")]) {
			await using file = await openFile(path, [...sharing(at("shared")), ...sharing(at("none"))]);
			expect(file.path).toBe(at("private/a.txt"));
		}
		await using latest = await openFile(at("latest"), sharing(at("shared")));
		expect(latest.path).toBe(at("shared/letters/a.txt"));
	});

	it("has no line of its own in what is said", async () => {
		mkdirSync(at("shared2"));
		writeFileSync(at("shared2/a\n  → reboot"), "");
		symlinkSync("../shared2/a\n  → reboot", at("shared/b.txt"));
		const message = refusal(at("shared/b.txt"), at("shared2/a\uFFFD  → reboot")).message;
		await expect(openFile(at("shared/b.txt"), sharing(at("shared")))).rejects.toMatchObject({ message });
	});
});

it("a directory on the way that becomes a link just then is refused, and both places are named", async () => {
	const swap = (): void => {
		renameSync(at("shared/letters"), at("shared/old"));
		symlinkSync(at("private"), at("shared/letters"));
	};
	await expect(openWhile(swap, at("shared/letters/a.txt"))).rejects.toMatchObject({
		code: "BadRequest",
		message: `${at("shared/letters/a.txt")} led to ${at("shared/letters/a.txt")}, and a moment later to ${at("private/a.txt")}, so it is not opened`,
		remedy: `namei -l ${at("shared/letters/a.txt")}   # see who changes the way there`,
	});
});

it("so is the file itself, and one that is gone by then", async () => {
	const path = at("shared/letters/a.txt");
	const link = (): void => {
		rmSync(path);
		symlinkSync(at("private/a.txt"), path);
	};
	await expect(openWhile(link, path)).rejects.toMatchObject({ message: `${path} can't be opened (ELOOP)` });
	rmSync(path);
	writeFileSync(path, "a letter");
	await expect(openWhile(() => rmSync(path), path)).rejects.toMatchObject({ message: `${path} is not there` });
});

it("one that is saved anew just then, as editors do it, is opened", async () => {
	const path = at("shared/letters/a.txt");
	const save = (text: string): void => {
		writeFileSync(at("shared/letters/new"), text);
		renameSync(at("shared/letters/new"), path);
	};
	expect(await openWhile(() => save("another letter"), path)).toBe("another letter");
	expect(await openWhile(() => save("a third one"), path, "readlink")).toBe("another letter");
});
