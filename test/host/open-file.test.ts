/** A file of the host's that is opened while somebody who may write above it changes the way there. */
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openFile } from "../../src/host/open-file.ts";

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
		await using file = await openFile(path);
		return await file.handle.readFile("utf8");
	} finally {
		put(real);
	}
}

it("links that are there before are followed", async () => {
	symlinkSync("shared", at("link"));
	symlinkSync("letters/a.txt", at("shared/link.txt"));
	await using file = await openFile(at("link/link.txt"));
	expect(file).toMatchObject({ path: at("shared/letters/a.txt"), bytes: 8 });
	expect(await openWhile(() => {}, at("link/link.txt"))).toBe("a letter");
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
