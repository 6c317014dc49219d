/** The guest's applications: where they are, and which of several of one id counts. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { isProgramId, programsMax } from "../../protocol/programs.ts";
import { type Application, parseApplication } from "./desktop-entry.ts";
import { findOnPath } from "./find-on-path.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Entries of ordinary programs have some KiB, most of it translations. */
const entryMaxBytes = 256 * 1024;
/** Vendors have folders of their own. */
const depthMax = 3;

/** `$XDG_DATA_HOME` and `$XDG_DATA_DIRS`, the first one first. */
export const dataDirectories = ({ HOME = "/", XDG_DATA_HOME, XDG_DATA_DIRS }: Environment): string[] => [
	XDG_DATA_HOME || join(HOME, ".local/share"),
	...(XDG_DATA_DIRS || "/usr/local/share:/usr/share").split(":").filter((directory) => directory.startsWith("/")),
];

/** By id, as many as the host takes; in the order of the ids. */
export function listApplications(env: Environment): Map<string, Application> {
	const files = new Map<string, string>();
	for (const directory of dataDirectories(env)) {
		for (const { id, path } of listEntries(join(directory, "applications"), "", depthMax)) {
			// The user's own hides the system's, also where it says that it is hidden.
			if (isProgramId(id) && !files.has(id)) files.set(id, path);
		}
	}
	const found = [...files]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.flatMap(([id, path]): [string, Application][] => {
			const application = readApplication(path, env);
			return application === undefined ? [] : [[id, application]];
		});
	return new Map(found.slice(0, programsMax));
}

/** "kde4/dolphin.desktop" has the id "kde4-dolphin" (Desktop Entry Specification, "Desktop File ID"). */
function listEntries(directory: string, prefix: string, depth: number): { id: string; path: string }[] {
	return list(directory).flatMap((name) => {
		const path = join(directory, name);
		if (name.endsWith(".desktop")) return [{ id: `${prefix}${name.slice(0, -".desktop".length)}`, path }];
		return depth > 1 && isDirectory(path) ? listEntries(path, `${prefix}${name}-`, depth - 1) : [];
	});
}

function readApplication(path: string, env: Environment): Application | undefined {
	try {
		const found = statSync(path);
		if (!found.isFile() || found.size > entryMaxBytes) return undefined;
		const application = parseApplication(readFileSync(path, "utf8"));
		const needs = application?.tryExec;
		return needs !== undefined && findOnPath(needs, env.PATH) === undefined ? undefined : application;
	} catch {
		return undefined;
	}
}

function list(directory: string): string[] {
	try {
		return readdirSync(directory).sort();
	} catch {
		return [];
	}
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
