/** What apt and mmdebstrap say of packages that can't be had or laid, as sentences. */
import { QubesLiteError } from "../src/errors.ts";
import { nearestName } from "../src/nearest-name.ts";

/** Lines of apt's that say which packages it can't find: "E: Unable to locate package firefox". */
const unknownPatterns = [
	/^E: Unable to locate package (\S+)$/m,
	/^E: Package '([^']+)' has no installation candidate$/m,
	/^E: Couldn't find any package by (?:glob|regex) '([^']+)'$/m,
	/^E: Version '[^']*' for '([^']+)' was not found$/m,
];

/** The first package that apt does not know by these words; undefined where that is not what they say. */
export function findUnknownPackage(words: string): string | undefined {
	for (const pattern of unknownPatterns) {
		const name = pattern.exec(words)?.[1];
		if (name !== undefined) return name;
	}
	return undefined;
}

/** `similar`: names that the release has. */
export function unknownPackage(name: string, suite: string, similar: readonly string[]): QubesLiteError {
	const hint = similar.length === 0 ? "" : `; did you mean ${similar.join(", ")}?`;
	return new QubesLiteError("BadRequest", `Debian ${suite} has no package ${name}${hint}`, {
		remedy: `apt-cache search ${name}   # or look for it at https://packages.debian.org/${suite}/`,
	});
}

/** Whether apt says that an archive which it has reached has no such directory: "E: The repository 'http://host/debian bookwurm Release' does not have a Release file." */
export function lacksRelease(words: string, suite: string): boolean {
	const missing = [...words.matchAll(/^E: The repository '\S+ (\S+) Release' does not have a Release file\.$/gm)];
	return missing.some(([, name]) => name === suite);
}

/** Those that a guest is likely to be of. */
const releases = ["bookworm", "trixie", "forky", "sid"];

/** `vms`: whose configuration asks for it. */
export function unknownRelease(suite: string, vms: readonly string[], cause: unknown): QubesLiteError {
	const meant = nearestName(suite, releases);
	const hint = meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`;
	return new QubesLiteError("BadRequest", `Debian has no release ${JSON.stringify(suite)}${hint}`, {
		remedy: `Correct "suite" of ${vms.join(", ")} in the configuration.`,
		cause,
	});
}

/** Of packages that apt can't install together it says on standard output which need what. */
export function unmetDependencies(words: string, suite: string): QubesLiteError | undefined {
	const [, needs = ""] = /have unmet dependencies:\n((?: .*\n)+)/.exec(words) ?? [];
	if (needs === "") return undefined;
	const [first = ""] = needs.split("\n");
	const sentence = first
		.trim()
		.replace(/\s+/g, " ")
		.replace(" : Depends: ", " needs ")
		.replace(/ : (?:Conflicts|Breaks): (\S+) .*$/, " excludes $1");
	return new QubesLiteError(
		"BadRequest",
		`These packages of Debian ${suite} can't be installed together: ${sentence}`,
		{
			remedy: 'Leave one of them out of "packages", or take another "suite".',
		},
	);
}

/** Whether a program said that the disk is full, in whatever it wrote to. */
export const saysDiskIsFull = (words: string): boolean => /No space left on device|Disk quota exceeded/.test(words);

/** Why mmdebstrap failed, by its words: which package, if it was one, else its own last error. */
export function explainLaying(words: string, cause: unknown): Error {
	if (saysDiskIsFull(words)) return Object.assign(new Error("mmdebstrap: no space left"), { code: "ENOSPC", cause });
	const [, name, why] = /dpkg: error processing (?:package|archive) (\S+) \([^)]*\):\n\s*(.*)/.exec(words) ?? [];
	if (name !== undefined) {
		const which = name.replace(/^.*\//, "").replace(/_.*$/, "");
		return new QubesLiteError("Unsupported", `The package ${which} can't be installed into an image: ${why}`, {
			remedy: `Leave ${which}, or what needs it, out of "packages".`,
			cause,
		});
	}
	// The last of them may say only that one of its processes has failed.
	const errors = words.match(/^E: .*$/gm)?.filter((line) => line !== "E: mmdebstrap failed to run");
	const error = (errors?.at(-1) ?? words.trim().split("\n").at(-1) ?? "").replace(/^E: /, "").slice(0, 300);
	return new QubesLiteError("Internal", `mmdebstrap failed: ${error || "it said nothing."}`, {
		remedy: "qubes-lite image build   # again: what has been downloaded is kept",
		cause,
	});
}
