/** Changes of several files: all or none, and nothing left beside them. On a real disk, in a directory of its own. */
import {
	chmodSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
	type Content,
	changeFiles,
	findMissingDirectories,
	lookAt,
	removeEmptyDirectories,
} from "../../src/admin/change-files.ts";
import { QubesLiteError } from "../../src/errors.ts";

let root: string;
const at = (...parts: string[]) => join(root, ...parts);
const file = (text: string): Content => ({ kind: "file", text });
const link = (target: string): Content => ({ kind: "link", target });

/** Every path with its content; files also with their inode: what is put back shall be the very file. */
function list(): string[] {
	return readdirSync(root, { recursive: true, withFileTypes: true })
		.map((entry) => {
			const path = join(entry.parentPath, entry.name);
			if (entry.isSymbolicLink()) return `${path} -> ${readlinkSync(path)}`;
			return entry.isFile() ? `${path} ${lstatSync(path).ino} ${readFileSync(path, "utf8")}` : path;
		})
		.sort();
}

beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "ql-"));
	writeFileSync(at("old"), "old");
	symlinkSync("/somewhere", at("link"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const changes = () => [
	{ path: at("a/b/new"), to: file("new") },
	{ path: at("a/made"), to: link("/target") },
	{ path: at("old"), to: file("changed") },
	{ path: at("link"), to: undefined },
	{ path: at("not-there"), to: undefined },
];

it("makes, replaces and removes, and leaves nothing beside", async () => {
	await (await changeFiles(changes())).keep();
	expect(readdirSync(root, { recursive: true }).sort()).toEqual(["a", "a/b", "a/b/new", "a/made", "old"]);
	expect(await lookAt(at("old"))).toEqual(file("changed"));
	expect(await lookAt(at("a/made"))).toEqual(link("/target"));
});

it("puts back the very files and links, and takes away the directories that it made", async () => {
	const before = list();
	const changed = await changeFiles(changes());
	expect(list()).not.toEqual(before);
	await changed.undo();
	expect(list()).toEqual(before);
});

it.each([
	["a file is where a directory must be", () => at("old/below"), "ENOTDIR"],
	["a directory is where the file must be", () => at("directory"), "EPERM|EISDIR"],
	["a name is too long", () => at("x".repeat(300)), "ENAMETOOLONG"],
])("changes nothing where %s", async (_, path, errno) => {
	mkdirSync(at("directory"));
	const before = list();
	const attempt = changeFiles([...changes(), { path: path(), to: file("x") }]);
	await expect(attempt).rejects.toMatchObject({ code: "Unsupported" });
	await expect(attempt).rejects.toThrow(new RegExp(`can't be written \\((${errno})\\), so nothing has been changed`));
	expect(list()).toEqual(before);
});

it("takes what a run has left that was killed", async () => {
	writeFileSync(at(".old.qubes-lite-new"), "half");
	chmodSync(at(".old.qubes-lite-new"), 0o400);
	writeFileSync(at(".old.qubes-lite-old"), "before");
	await (await changeFiles([{ path: at("old"), to: file("changed") }])).keep();
	expect(readdirSync(root).sort()).toEqual(["link", "old"]);
});

it("knows which directories are not there, and removes those that are empty", async () => {
	const missing = await findMissingDirectories([at("a/b/c"), at("a/d"), at("x")]);
	expect(missing).toEqual([at("a"), at("a/b")]);
	mkdirSync(at("a/b"), { recursive: true });
	writeFileSync(at("a/mine"), "");
	await removeEmptyDirectories(missing);
	expect(readdirSync(at("a"))).toEqual(["mine"]);
});

it("puts all back where it is told to stop between two steps", async () => {
	const before = list();
	const controller = new AbortController();
	const reason = new QubesLiteError("Internal", "stopped");
	const late = {
		path: at("z"),
		get to() {
			controller.abort(reason);
			return file("late");
		},
	};
	await expect(
		changeFiles([...changes(), late, { path: at("zz"), to: file("") }], { signal: controller.signal }),
	).rejects.toBe(reason);
	expect(list()).toEqual(before);
});

it("takes back nothing that somebody else has put in its place since", async () => {
	const changed = await changeFiles(
		[
			{ path: at("new"), to: file("ours") },
			{ path: at("old"), to: file("ours") },
		],
		{ mark: "one" },
	);
	await (
		await changeFiles(
			[
				{ path: at("new"), to: file("theirs") },
				{ path: at("old"), to: file("theirs") },
			],
			{ mark: "two" },
		)
	).keep();
	await changed.undo();
	expect(readdirSync(root).sort()).toEqual(["link", "new", "old"]);
	expect(await lookAt(at("new"))).toEqual(file("theirs"));
	expect(await lookAt(at("old"))).toEqual(file("theirs"));
});
