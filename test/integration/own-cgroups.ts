/**
 * A cgroup of its own for a user manager, in each of the hierarchies that are there. One that is not root can't do without; one that
 * is would take the root of them all for its own, and remove at its end what is empty below: cgroups that other tests have just made.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { basename, join } from "node:path";
import { errnoOf } from "../../src/errors.ts";

const roots = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

export class OwnCgroups {
	readonly #paths: readonly string[];

	/** `directory` is the test user's, whose name no other has. */
	constructor(directory: string, uid: number) {
		const name = `ql-test-${process.pid}-${basename(directory)}`;
		this.#paths = roots.filter((root) => readdirSync(root).includes("cgroup.procs")).map((root) => join(root, name));
		for (const cgroup of this.#paths) {
			mkdirSync(cgroup, { recursive: true });
			spawnSync("chown", ["-R", `${uid}:${uid}`, cgroup]);
		}
	}

	/** Lines of a shell that take it into them. */
	get enter(): string {
		return this.#paths.map((cgroup) => `echo $$ >${cgroup}/cgroup.procs`).join("\n");
	}

	/** Throws where a process is still in one. */
	remove(): void {
		for (const cgroup of this.#paths) removeCgroup(cgroup);
	}
}

/** From the leaves on. */
function removeCgroup(cgroup: string): void {
	for (const entry of listCgroup(cgroup)) {
		if (entry.isDirectory()) removeCgroup(join(cgroup, entry.name));
	}
	try {
		rmdirSync(cgroup);
	} catch (cause) {
		/** systemd itself is at it, too. */
		if (errnoOf(cause) !== "ENOENT") throw cause;
	}
}

function listCgroup(cgroup: string) {
	try {
		return readdirSync(cgroup, { withFileTypes: true });
	} catch {
		return [];
	}
}
