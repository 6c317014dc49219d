/** The guest's users, from /etc/passwd (passwd(5)). */
import { readFileSync } from "node:fs";
import { QubesLiteError } from "../../errors.ts";

export interface GuestUser {
	readonly name: string;
	readonly uid: number;
	readonly gid: number;
	readonly home: string;
	readonly shell: string;
}

/** Commands run as this user unless they ask for another: root in the guest could replace the agent. */
const defaultUser = "user";

export function parsePasswd(text: string): GuestUser[] {
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
	if (user !== undefined) return user;
	const root = users.find((candidate) => candidate.uid === 0);
	if (name === null && root !== undefined) return root;
	throw new QubesLiteError("BadRequest", `the guest has no user '${wanted}'`);
}
