/**
 * What a sync would change. Unlike an installation it goes on without what is in its way: one entry of somebody's own must not keep all others
 * from being right. Whose a file is, is judged alike (install/ownership.ts).
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isEntryFile } from "../../desktop/entries.ts";
import { type Change, type Content, isSame, lookAt } from "../change-files.ts";
import { type Entry, hashContent, type Manifest } from "../install/manifest.ts";
import { toOwner } from "../install/ownership.ts";
import type { WantedFile } from "../install/wanted-files.ts";
import type { DesktopPlaces } from "./desktop-places.ts";

export type EntryChange = Change & Pick<Entry, "kind"> & { readonly isNew: boolean };

export interface EntryPlan {
	readonly changes: readonly EntryChange[];
	/** What is ours afterwards, and what was before. */
	readonly files: readonly Entry[];
	/** Stay as they are, with why: "was changed by hand", "is none of ours". */
	readonly left: readonly { readonly path: string; readonly why: string }[];
}

export async function planEntries(
	wanted: readonly WantedFile[],
	last: Manifest,
	places: DesktopPlaces,
): Promise<EntryPlan> {
	const changes: EntryChange[] = [];
	const files: Entry[] = [];
	const left: { path: string; why: string }[] = [];
	const list = (path: string, kind: Entry["kind"], content: Content): void => {
		files.push({ path, kind, sha256: hashContent(content) });
	};
	for (const { path, kind, content } of wanted) {
		const found = await lookAt(path);
		const owner = found === undefined ? "ours" : toOwner({ path, kind }, found, last.files, content);
		if (owner === "ours" && found !== "other") {
			list(path, kind, content);
			if (found !== undefined && isSame(found, content)) continue;
			if (found !== undefined) list(path, kind, found);
			changes.push({ path, kind, to: content, isNew: found === undefined });
		} else if (found === undefined || found === "other" || !isSame(found, content)) {
			left.push({ path, why: owner === "edited" && found !== "other" ? "was changed by hand" : "is none of ours" });
		}
	}
	for (const { path, kind } of await findOld(wanted, last, places)) {
		const found = await lookAt(path);
		if (found === undefined) continue;
		if (found === "other" || toOwner({ path, kind }, found, last.files) !== "ours") {
			left.push({ path, why: "was changed by hand" });
			continue;
		}
		list(path, kind, found);
		changes.push({ path, kind, to: undefined, isNew: false });
	}
	return { changes, files, left };
}

/** What an earlier sync has put somewhere, and nobody wants any more; also what no list has, because that was lost. */
async function findOld(
	wanted: readonly WantedFile[],
	last: Manifest,
	{ applications, icons, reports }: DesktopPlaces,
): Promise<Pick<Entry, "path" | "kind">[]> {
	const old = new Map<string, Entry["kind"]>(last.files.map(({ path, kind }) => [path, kind]));
	for (const name of await listDirectory(applications)) {
		const path = join(applications, name);
		if (!isEntryFile(name) || old.has(path)) continue;
		const found = await lookAt(path);
		if (found !== undefined && toOwner({ path, kind: "entry" }, found, []) === "ours") old.set(path, "entry");
	}
	for (const directory of [icons, reports]) {
		for (const name of await listDirectory(directory)) {
			if (!name.startsWith(".")) old.set(join(directory, name), "own");
		}
	}
	for (const { path } of wanted) old.delete(path);
	return [...old].map(([path, kind]) => ({ path, kind }));
}

const listDirectory = (path: string): Promise<string[]> => readdir(path).catch(() => []);
