/** The guest's users, from /etc/passwd (passwd(5)). */
import { readFileSync, statSync } from "node:fs";
import { QubesLiteError } from "../../errors.ts";

export interface GuestUser {
	readonly name: string;
	readonly uid: number;
	readonly gid: number;
	readonly home: string;
	readonly shell: string;
	/** Beside gid. */
	readonly groups: readonly number[];
}

/** Commands run as this user unless they ask for another: root in the guest could replace the agent. */
const defaultUser = "user";

/** group(5): the ids of the groups that list the user. */
export function parseGroups(text: string, user: string): number[] {
	return text.split("\n").flatMap((line) => {
		const [, , gid, members] = line.split(":");
		return members?.split(",").includes(user) === true ? [Number(gid)] : [];
	});
}

export function parsePasswd(text: string): Omit<GuestUser, "groups">[] {
	return text.split("\n").flatMap((line) => {
		const [name, , uid, gid, , home, shell] = line.split(":");
		if (name === undefined || uid === undefined || gid === undefined || home === undefined) return [];
		return [{ name, uid: Number(uid), gid: Number(gid), home, shell: shell || "/bin/sh" }];
	});
}

/** null is the default user, or root in an image that has none. Throws NoSuchUser's sentence as BadRequest. */
export function findUser(name: string | null): GuestUser {
	const users = readUsers();
	const wanted = name ?? defaultUser;
	const user = users.find((candidate) => candidate.name === wanted);
	if (user !== undefined) return withGroups(user);
	const root = users.find((candidate) => candidate.uid === 0);
	if (name === null && root !== undefined) return withGroups(root);
	throw new QubesLiteError("BadRequest", `the guest has no user '${wanted}'`);
}

const withGroups = (user: Omit<GuestUser, "groups">): GuestUser => ({
	...user,
	groups: parseGroups(readGroups(), user.name),
});

const readUsers = keepUntilChanged("/etc/passwd", parsePasswd);
const readGroups = keepUntilChanged("/etc/group", (text) => text);

/** Reads and parses a file when it is another than before: each time would be a tenth of what an emulated guest does for `true`. */
function keepUntilChanged<T>(path: string, parse: (text: string) => T): () => T {
	let kept: { readonly mark: string; readonly value: T } | undefined;
	return () => {
		const stat = statSync(path, { throwIfNoEntry: false });
		const mark = `${stat?.ino} ${stat?.size} ${stat?.mtimeMs} ${stat?.ctimeMs}`;
		if (kept?.mark !== mark) kept = { mark, value: parse(stat === undefined ? "" : readFileSync(path, "utf8")) };
		return kept.value;
	};
}
