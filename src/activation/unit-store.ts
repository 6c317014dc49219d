/** Where the units of vms are: installed ones are kept as the configuration has it, others are made for this login only. */
import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { judgeUnit } from "./unit-file.ts";

export interface UnitPlaces {
	/** `$XDG_CONFIG_HOME/systemd/user`: where `qubes-lite install` has put them. */
	readonly installed: string;
	/** `$XDG_RUNTIME_DIR/systemd/user`: gone with the login (systemd.unit(5), "Unit File Load Path"). */
	readonly runtime: string;
}

/** `changed`: systemd has another text in memory. `kept`: somebody else has written this unit, or has changed ours. */
export type Placed = "new" | "changed" | "same" | "kept";

/**
 * Makes `unit` say `text`, where it is ours to say: an installed file of ours is brought up to date, one that somebody has edited
 * stays, and where there is none it is made for this login. `loadedFrom` is the file that systemd has it from, "" if none.
 * Throws BootFailed where it can't be written; then the old one is whole.
 */
export async function placeUnit(places: UnitPlaces, unit: string, text: string, loadedFrom: string): Promise<Placed> {
	const installed = join(places.installed, unit);
	const runtime = join(places.runtime, unit);
	const before = await update(installed, text);
	if (before !== undefined) return before;
	// From /etc/systemd/user and the like: whoever has put it there keeps it up to date.
	if (loadedFrom !== "" && loadedFrom !== installed && loadedFrom !== runtime) return "kept";
	const made = await update(runtime, text);
	if (made !== undefined) return made;
	await write(runtime, text);
	return "new";
}

/** Undefined where there is no file. */
async function update(path: string, text: string): Promise<Placed | undefined> {
	const found = await readUnit(path);
	if (found === undefined) return undefined;
	if (found === text) return "same";
	if (judgeUnit(found) !== "ours") return "kept";
	await write(path, text);
	return "changed";
}

/** Removes what placeUnit() has made for this login, where `isWanted` says no of the file's name. Resolves with whether something was. */
export async function removeUnwanted(places: UnitPlaces, isWanted: (file: string) => boolean): Promise<boolean> {
	const files = await readdir(places.runtime).catch(() => []);
	const unwanted = files.filter((file) => file.startsWith("qubes-lite-") && !isWanted(file));
	let isAnyGone = false;
	for (const file of unwanted) {
		const path = join(places.runtime, file);
		if (judgeUnit((await readUnit(path)) ?? "") !== "ours") continue;
		await rm(path, { force: true });
		isAnyGone = true;
	}
	return isAnyGone;
}

/** Undefined if there is none. A link, as to /dev/null of a masked one, is somebody's: it reads as empty. */
async function readUnit(path: string): Promise<string | undefined> {
	try {
		return (await lstat(path)).isFile() ? await readFile(path, "utf8") : "";
	} catch (error) {
		if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
		throw error;
	}
}

async function write(path: string, text: string): Promise<void> {
	const temporary = `${path}.${process.pid}.tmp`;
	try {
		await mkdir(dirname(path), { recursive: true, mode: 0o700 });
		await writeFile(temporary, text, { mode: 0o600 });
		await rename(temporary, path);
	} catch (cause) {
		await rm(temporary, { force: true }).catch(() => undefined);
		throw new QubesLiteError("BootFailed", `the unit ${path} can't be written (${errnoOf(cause) ?? cause})`, {
			remedy: `namei -l ${dirname(path)}; df -h ${dirname(path)}`,
			cause,
		});
	}
}
