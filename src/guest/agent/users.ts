/** The guest's users, from /etc/passwd (passwd(5)). */
import { existsSync, readFileSync } from "node:fs";
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
	const users = parsePasswd(readFileSync("/etc/passwd", "utf8"));
	const wanted = name ?? defaultUser;
	const user = users.find((candidate) => candidate.name === wanted);
	if (user !== undefined) return withGroups(user);
	const root = users.find((candidate) => candidate.uid === 0);
	if (name === null && root !== undefined) return withGroups(root);
	throw new QubesLiteError("BadRequest", `the guest has no user '${wanted}'`);
}

function withGroups(user: Omit<GuestUser, "groups">): GuestUser {
	return {
		...user,
		groups: existsSync("/etc/group") ? parseGroups(readFileSync("/etc/group", "utf8"), user.name) : [],
	};
}
