/** What execvp(3) would find and say, for a command that something else will execute. */
import { type Stats, statSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import type { GuestUser } from "./users.ts";

export interface Searcher {
	readonly user: GuestUser;
	/** Where a name with a slash that is not absolute begins. */
	readonly cwd: string;
	readonly path: string;
}

/** Throws ENOENT or EACCES as execvp(3) would. A rare thing more may be in its way (noexec, an interpreter that is missing). */
export function findExecutable(name: string, { user, cwd, path }: Searcher): string {
	const candidates = name.includes("/") ? [name] : path.split(":").map((directory) => `${directory || "."}/${name}`);
	let isDenied = false;
	for (const candidate of candidates) {
		const file = candidate.startsWith("/") ? candidate : `${cwd}/${candidate}`;
		const stat = statOf(file);
		if (stat === "denied") isDenied = true;
		else if (stat?.isFile() === true && mayExecute(stat, user)) return file;
		else if (stat !== undefined) isDenied = true;
	}
	throw Object.assign(new Error(`${name} cannot be executed`), { code: isDenied ? "EACCES" : "ENOENT" });
}

function statOf(file: string): Stats | "denied" | undefined {
	try {
		return statSync(file);
	} catch (cause) {
		return errnoOf(cause) === "EACCES" ? "denied" : undefined;
	}
}

function mayExecute({ mode, uid, gid }: Stats, user: GuestUser): boolean {
	if (user.uid === 0) return (mode & 0o111) !== 0;
	if (uid === user.uid) return (mode & 0o100) !== 0;
	if (gid === user.gid) return (mode & 0o010) !== 0;
	return (mode & 0o001) !== 0;
}
