/** The virtiofsd that shares directories: the installed one, where it can do what we ask of it, else the one that was unpacked with the image. */
import { join } from "node:path";
import { cachePaths } from "../vmm/image-manifest.ts";
import { isFitVirtiofsd } from "../vmm/virtiofsd.ts";
import { readHelp } from "./program-help.ts";
import { executable, listPrograms } from "./programs.ts";

/** Distributions keep it out of PATH. QEMU's own of before 8.0 is in such a place in some of them. */
const otherDirectories = "/usr/libexec";

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

/** One that can't even be run is none. */
function isFit(path: string): boolean {
	try {
		return isFitVirtiofsd(readHelp(path));
	} catch {
		return false;
	}
}
