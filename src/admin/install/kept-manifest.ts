/**
 * The list of what is installed, on disk. It comes with the directories that it needs, and goes with them, in one step: whenever a run is
 * killed, either the list says what there is to take away, or there is nothing but a hidden file or directory of a known name.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { besides, findMissingDirectories, removeLeftovers, toWriteError, writeContent } from "../change-files.ts";
import { formatManifest, type Manifest, readManifest } from "./manifest.ts";
import type { Places } from "./places.ts";

/** Clients and brokers make the directory for their logs. */
const attempts = 5;

/** As the last run has left it, undefined where there is none; what a killed one has left besides goes. Throws Internal where it is damaged. */
export async function recoverManifest(
	{ manifest: path, runtimeUnits }: Pick<Places, "manifest" | "runtimeUnits">,
	again?: string,
): Promise<Manifest | undefined> {
	await removeManifestLeftovers(path);
	if (!existsSync(path)) return undefined;
	const manifest = await readManifest(path, again);
	const units = manifest.files.filter(({ kind }) => kind === "unit").map((entry) => basename(entry.path));
	await removeLeftovers([
		...manifest.files.map((entry) => entry.path),
		...(runtimeUnits === undefined ? [] : units.map((unit) => join(runtimeUnits, unit))),
	]);
	return manifest;
}

/** Puts `next` in the place of `last`, and takes it back where `work` fails. */
export async function withManifest<T>(
	path: string,
	last: Manifest | undefined,
	next: Manifest,
	work: () => Promise<T>,
): Promise<T> {
	await putManifest(path, next);
	try {
		return await work();
	} catch (cause) {
		const back = last === undefined ? takeManifest(path, next.directories) : putManifest(path, last);
		// The new one lists what the old one does, so that it does for the next run.
		await back.catch(() => undefined);
		throw cause;
	}
}

async function putManifest(path: string, manifest: Manifest): Promise<void> {
	for (let attempt = 1; ; attempt++) {
		const top = (await findMissingDirectories([path]))[0] ?? path;
		const made = besides(top).after;
		try {
			await writeBelow(made, relative(top, path), formatManifest(manifest));
			await rename(made, top);
			return;
		} catch (cause) {
			await removeMoved(made, relative(top, path));
			const isMadeMeanwhile = ["EEXIST", "ENOTEMPTY"].includes(errnoOf(cause) ?? "");
			if (isMadeMeanwhile && attempt < attempts) continue;
			throw cause instanceof QubesLiteError ? cause : toWriteError(path, "written", cause);
		}
	}
}

/** Takes it away, with those directories of ours that hold nothing else. */
export async function takeManifest(path: string, directories: readonly string[]): Promise<void> {
	let top = path;
	while (directories.includes(dirname(top)) && (await readdir(dirname(top))).length === 1) top = dirname(top);
	const moved = besides(top).before;
	try {
		await rename(top, moved);
	} catch {
		await rm(path, { force: true });
		return;
	}
	if (await removeMoved(moved, relative(top, path))) return;
	// Somebody has put something there just now: that has its place again.
	await rename(moved, top).catch(() => undefined);
}

/** Of a list that was to come or to go. */
async function removeManifestLeftovers(path: string): Promise<void> {
	await removeLeftovers([path]);
	for (let top = dirname(path); top !== dirname(top); top = dirname(top)) {
		const { before, after } = besides(top);
		await removeMoved(after, relative(top, path));
		if (!(await removeMoved(before, relative(top, path)))) await rename(before, top).catch(() => undefined);
	}
}

/** `name` in `top`, with the directories between; where it is "", `top` is the file. */
async function writeBelow(top: string, name: string, text: string): Promise<void> {
	const path = join(top, name);
	if (name !== "") await mkdir(dirname(path), { recursive: true, mode: 0o700 });
	await writeContent(path, { kind: "file", text });
}

/** Resolves with whether nothing is left of it: what else is in its directories stays. */
async function removeMoved(top: string, name: string): Promise<boolean> {
	const path = join(top, name);
	try {
		await rm(path, { force: true });
		for (let at = dirname(path); name !== "" && at !== dirname(top); at = dirname(at)) await removeDirectory(at);
		return true;
	} catch {
		return false;
	}
}

async function removeDirectory(path: string): Promise<void> {
	try {
		await rmdir(path);
	} catch (cause) {
		if (errnoOf(cause) !== "ENOENT") throw cause;
	}
}
