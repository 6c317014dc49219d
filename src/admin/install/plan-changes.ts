/** What an installation would change: compared with what is there, and with what an earlier one has put there. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { judgeUnit } from "../../activation/unit-file.ts";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { shellWord } from "../../shell-word.ts";
import { type Change, type Content, describeOther, isSame, lookAt } from "../change-files.ts";
import { type Entry, hashContent, type Manifest } from "./manifest.ts";
import { toOwner } from "./ownership.ts";
import type { WantedFile } from "./wanted-files.ts";

export type PlannedChange = Change & Pick<Entry, "kind"> & { readonly from: Content | undefined };

export interface Plan {
	readonly changes: readonly PlannedChange[];
	/** What is ours afterwards, and as it was before: a run that is killed in between leaves one or the other. */
	readonly files: readonly Entry[];
	/** No longer wanted, but somebody has changed them: they stay. */
	readonly edited: readonly string[];
}

/** What is where a file of ours belongs. */
interface Obstacle {
	readonly path: string;
	/** "is a directory" */
	readonly phrase: string;
	/** By --force. */
	readonly isReplaceable: boolean;
	/** A unit of ours with changes that belong into a drop-in. */
	readonly isEditedUnit: boolean;
}

/** Throws Denied where something is in the way that is not ours, unless `isForced`: then only for what no file can replace. */
export async function planChanges(
	wanted: readonly WantedFile[],
	manifest: Manifest,
	units: string,
	isForced: boolean,
): Promise<Plan> {
	const changes: PlannedChange[] = [];
	const files: Entry[] = [];
	const inTheWay: Obstacle[] = [];
	const list = (path: string, kind: Entry["kind"], content: Content): void => {
		files.push({ path, kind, sha256: hashContent(content) });
	};
	for (const { path, kind, content } of wanted) {
		const found = await lookAt(path);
		const owner = found === undefined ? "ours" : toOwner({ path, kind }, found, manifest.files, content);
		if (owner === "masked") throw masked(path);
		if (found !== undefined && found !== "other" && isSame(found, content)) {
			if (owner === "ours") list(path, kind, content);
			continue;
		}
		if (found === "other") {
			const phrase = `is ${await describeOther(path)}`;
			inTheWay.push({ path, phrase, isReplaceable: false, isEditedUnit: false });
			continue;
		}
		if (owner !== "ours" && !isForced) {
			const phrase = owner === "edited" ? "was changed by hand" : "is none of ours";
			inTheWay.push({ path, phrase, isReplaceable: true, isEditedUnit: kind === "unit" });
			continue;
		}
		if (found !== undefined && owner === "ours") list(path, kind, found);
		list(path, kind, content);
		changes.push({ path, kind, from: found, to: content });
	}
	if (inTheWay.length > 0) throw refusal(inTheWay, isForced);
	const edited: string[] = [];
	for (const { path, kind } of await findOld(wanted, manifest, units)) {
		const found = await lookAt(path);
		if (found === undefined) continue;
		if (found === "other" || toOwner({ path, kind }, found, manifest.files) !== "ours") {
			edited.push(path);
			continue;
		}
		list(path, kind, found);
		changes.push({ path, kind, from: found, to: undefined });
	}
	return { changes, files, edited };
}

/** What an earlier installation has put somewhere, and is not wanted now; also units of ours that no list has. */
async function findOld(
	wanted: readonly WantedFile[],
	manifest: Manifest,
	units: string,
): Promise<Pick<Entry, "path" | "kind">[]> {
	const old = new Map<string, Entry["kind"]>(manifest.files.map(({ path, kind }) => [path, kind]));
	for (const name of await listDirectory(units)) {
		if (!/^qubes-lite-.*\.(?:service|socket)$/.test(name)) continue;
		const found = await lookAt(join(units, name));
		const isOurs =
			found !== undefined && found !== "other" && found.kind === "file" && judgeUnit(found.text) === "ours";
		if (isOurs) old.set(join(units, name), "unit");
	}
	for (const { path } of wanted) old.delete(path);
	return [...old].map(([path, kind]) => ({ path, kind }));
}

async function listDirectory(path: string): Promise<string[]> {
	try {
		return await readdir(path);
	} catch (cause) {
		if (errnoOf(cause) === "ENOENT") return [];
		throw new QubesLiteError("Unsupported", `${path} can't be read (${errnoOf(cause)}), so nothing has been changed`, {
			remedy: `namei -l ${shellWord(path)}`,
			cause,
		});
	}
}

function masked(path: string): QubesLiteError {
	const unit = basename(path);
	return new QubesLiteError("Denied", `${unit} is masked, so nothing is installed`, {
		remedy: `systemctl --user unmask ${unit} && qubes-lite install`,
	});
}

function refusal(obstacles: readonly Obstacle[], isForced: boolean): QubesLiteError {
	const phrases = obstacles.map(({ path, phrase }) => `${path} ${phrase}`);
	const isAnyStuck = obstacles.some(({ isReplaceable }) => !isReplaceable);
	const end = isAnyStuck ? ", so nothing is installed" : "; nothing is overwritten without --force";
	const moves = obstacles.map(({ path }) => `mv ${shellWord(path)} ${shellWord(`${path}.mine`)}`);
	const edit = obstacles
		.filter(({ isEditedUnit }) => isEditedUnit)
		.map(({ path }) => ` && systemctl --user edit ${basename(path)}`);
	const drop = edit.length > 0 ? "   # changes of yours belong into such a drop-in" : "";
	const again = `qubes-lite install${isForced ? " --force" : ""}`;
	return new QubesLiteError("Denied", `${phrases.join(", and ")}${end}`, {
		remedy: `${[...moves, again].join(" && ")}${edit.join("")}${drop}`,
	});
}
