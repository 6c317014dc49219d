/** The virtiofsd that shares directories: the installed one, where it can do what we ask of it, else the one that was unpacked with the image. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cachePaths } from "../vmm/image-manifest.ts";
import { isFitVirtiofsd } from "../vmm/virtiofsd.ts";
import { executable, listPrograms } from "./programs.ts";

/** Distributions keep it out of PATH. QEMU's own of before 8.0 is in such a place in some of them. */
const otherDirectories = "/usr/libexec";

/** It takes a few milliseconds, and somebody waits. */
const helpWithinMs = 2000;

export function findVirtiofsd(places: {
	readonly cacheDirectory: string;
	readonly searchPath: string;
}): string | undefined {
	for (const path of listPrograms(`${places.searchPath}:${otherDirectories}`, "virtiofsd")) {
		if (isFit(path)) return path;
	}
	const unpacked = executable(join(places.cacheDirectory, cachePaths.virtiofsd));
	return unpacked !== undefined && isFit(unpacked) ? unpacked : undefined;
}

function isFit(path: string): boolean {
	const { stdout } = spawnSync(path, ["--help"], {
		encoding: "utf8",
		timeout: helpWithinMs,
		stdio: ["ignore", "pipe", "ignore"],
	});
	// null where it could not be started.
	return isFitVirtiofsd(stdout ?? "");
}
