/** What programs have put into a user's own places. */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { FakeUser } from "./fake-user.ts";

/** Path, mode and content of all that is in the user's own places; how vms booted and ended is the broker's, and changes with each run. */
export function listTree(user: FakeUser): string[] {
	const list = (path: string): string[] => {
		if (!existsSync(path)) return [];
		return readdirSync(path).flatMap((name) => {
			const at = join(path, name);
			const found = lstatSync(at);
			const head = `${at} ${found.mode.toString(8)}`;
			if (found.isSymbolicLink()) return [`${head} -> ${readlinkSync(at)}`];
			if (found.isDirectory()) return ["ends", "boots"].includes(name) ? [] : [head, ...list(at)];
			return [`${head} ${createHash("sha256").update(readFileSync(at)).digest("hex")}`];
		});
	};
	const places = [".config", ".local", "state"];
	const tops = readdirSync(user.directory).filter((name) => places.includes(name));
	return [...tops, ...tops.flatMap((name) => list(join(user.directory, name)))];
}
