/** Disks of vms: one that is missing, and how it is made. The shim (vm-shim.sh) says the same of its own. */
import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { shellWord } from "../shell-word.ts";

/** What helps where there is no disk at `path`. */
export function missingDiskRemedy(path: string): string {
	if (path.startsWith("/dev/")) return "lsblk --paths";
	return `mkdir -p ${shellWord(dirname(path))} && ${newDiskRemedy(path)}`;
}

/** 4 GiB that take no room until they are written. */
export function newDiskRemedy(path: string): string {
	const word = shellWord(path);
	const make = path.endsWith(".qcow2") ? `qemu-img create -f qcow2 ${word} 4G` : `truncate -s 4G ${word}`;
	return `${make}   # a new one, or mount what holds it`;
}

/** Throws BootFailed for the first that is not there or not ours, before the vmm says it in its own words. */
export function checkDisks(paths: readonly string[]): void {
	for (const path of paths) {
		try {
			accessSync(path, constants.R_OK | constants.W_OK);
		} catch (cause) {
			const problem = toProblem(path, errnoOf(cause));
			if (problem !== undefined) throw new QubesLiteError("BootFailed", problem.sentence, { ...problem, cause });
		}
	}
}

/** undefined where the vmm knows better. */
function toProblem(path: string, errno: string | undefined): { sentence: string; remedy: string } | undefined {
	switch (errno) {
		case "ENOENT":
		case "ENOTDIR":
			return { sentence: `the disk ${path} is not there`, remedy: missingDiskRemedy(path) };
		case "EACCES":
			return { sentence: `the disk ${path} is not yours to read and write`, remedy: `namei -l ${shellWord(path)}` };
		default:
			return undefined;
	}
}
