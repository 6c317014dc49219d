/**
 * An apt of our own: its lists, cache and sources lie below one directory of ours, so that it needs no root and neither
 * reads nor changes what the machine's apt knows. What stays the machine's: the mirror and how to reach it (proxies).
 * Everything is checked against Debian's archive keyring.
 */
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, QubesLiteError } from "../src/errors.ts";
import {
	type AptEntry,
	type DebianSource,
	formatDebianSources,
	parseDeb822Sources,
	parseOneLineSources,
	selectDebianSources,
} from "./apt-sources.ts";
import { parseStanza, type Stanza } from "./debian-control.ts";
import { checkRoom } from "./disk-room.ts";
import { findUnknownPackage, unknownPackage, unmetDependencies } from "./package-words.ts";
import { runTool, type ToolOptions, wordsOf } from "./run-tool.ts";

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** A sources file beyond this is not one. */
const sourcesFileMaxBytes = 1024 * 1024;

/** A suite's lists are 10 MB: long enough for a slow line, short enough to give an answer. */
const updateTimeoutMs = 180_000;
/** Of waiting for another build that is at it. */
const lockTimeoutMs = 180_000;
/** A mirror that falls silent apt gives up itself: this is for one that goes on and on, at less than 50 kB/s. */
const toDownloadTimeoutMs = (packages: readonly DebianPackage[]): number =>
	600_000 + Math.ceil(packages.reduce((bytes, { size }) => bytes + size, 0) / 50);

/** So many names for one that is mistyped. */
const similarMax = 3;

/** Lists, their caches, and what is downloaded: apt hangs where it meets a full disk, so we look first. */
const updateRoomBytes = 200e6;

/** Hooks and translations are of no use here, and a hook would run with the machine's state in mind. */
const configuration = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
`;

export interface DebianPackage {
	readonly name: string;
	readonly version: string;
	readonly size: number;
	readonly sha256: string;
	readonly fields: Stanza;
}

export interface PrivateApt {
	/** Fetches the lists; fails when one of the sources can't be fetched or isn't signed by Debian. */
	update(): Promise<void>;
	/** The same where the lists are older than that, in milliseconds. */
	updateOlderThan(ageMs: number): Promise<void>;
	/**
	 * Everything that an empty machine would install for these: what Debian calls essential, apt, and them, without what is only recommended. A name may be
	 * a pattern (apt-patterns(7)). Throws BadRequest with the first that there is none of.
	 */
	resolve(names: readonly string[], suite: string): Promise<DebianPackage[]>;
	/** Gets all of them into `directory`, where what is there already stays, under apt's names for them. */
	fetch(wanted: readonly DebianPackage[], directory: string, onPercent: (percent: number) => void): Promise<void>;
	/** The newest version of a package in the lists, or that `version` of it; `undefined` when there is none. */
	find(name: string, version?: string): Promise<DebianPackage | undefined>;
	/** Downloads the package into `directory`, which must be empty, and returns the file's path. apt compares its hash with the lists'. */
	download(wanted: DebianPackage, directory: string, onPercent?: (percent: number) => void): Promise<string>;
}

/** Makes `directory` an apt that knows only `sources`. One at a time uses it: a second one waits for the first. */
export async function createPrivateApt(
	directory: string,
	sources: readonly DebianSource[],
	signal: AbortSignal,
): Promise<PrivateApt> {
	const files = { sources: join(directory, "debian.sources"), configuration: join(directory, "apt.conf") };
	await mkdir(join(directory, "lists/partial"), { recursive: true });
	await mkdir(join(directory, "cache/archives/partial"), { recursive: true });
	// Readable by the owner only: a mirror's address may carry a password.
	await writeFile(files.sources, formatDebianSources(sources, await checkKeyring()), { mode: 0o600 });
	await writeFile(files.configuration, configuration);
	await writeFile(join(directory, "status"), "");
	const settings = {
		"Dir::State": directory,
		"Dir::State::lists": join(directory, "lists"),
		"Dir::State::status": join(directory, "status"),
		"Dir::Cache": join(directory, "cache"),
		"Dir::Cache::pkgcache": "pkgcache.bin",
		"Dir::Cache::srcpkgcache": "srcpkgcache.bin",
		"Dir::Etc::sourcelist": files.sources,
		"Dir::Etc::sourceparts": "/dev/null",
		"Dir::Etc::preferences": "/dev/null",
		"Dir::Etc::preferencesparts": "/dev/null",
	};
	// The file comes after the machine's own configuration, which it amends.
	const amendments = [
		`-c=${files.configuration}`,
		...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]),
	];
	// flock without a fork: the program that is ended at a time-out is then apt itself.
	const lock = ["flock", "--no-fork", "--timeout", String(lockTimeoutMs / 1000), join(directory, "lock")] as const;
	const run = async (program: string, args: readonly string[], options?: Partial<ToolOptions>): Promise<string> => {
		const argv = [...lock, program, ...amendments, ...args] as const;
		return (await runTool(argv, { signal, name: program, ...options })).toString();
	};

	const stamp = join(directory, "updated");
	const update = async (): Promise<void> => {
		await checkRoom(directory, updateRoomBytes);
		try {
			await run("apt-get", ["-q", "update"], { timeoutMs: lockTimeoutMs + updateTimeoutMs });
		} catch (error) {
			if (!(error instanceof QubesLiteError)) throw error;
			const [why] = error.message.split("\n", 1);
			throw new QubesLiteError("Internal", `Debian's package lists can't be fetched: ${why}`, {
				remedy: error.remedy ?? "Check this machine's network and apt sources: apt-get update",
				cause: error,
			});
		}
		await writeFile(stamp, "");
	};
	/** Those that begin alike, the shortest first: the rest of a name is what people leave out. */
	const findSimilar = async (name: string): Promise<string[]> => {
		const known = (await run("apt-cache", ["pkgnames", name])).split("\n").filter(Boolean);
		return known.sort((a, b) => a.length - b.length).slice(0, similarMax);
	};

	return {
		update,

		async updateOlderThan(ageMs) {
			const { mtimeMs } = await stat(stamp).catch(() => ({ mtimeMs: 0 }));
			const age = Date.now() - mtimeMs;
			if (age < 0 || age > ageMs) await update();
		},

		async resolve(names, suite) {
			// Of an archive directory that has none of them, or apt would leave out what is there.
			const none = join(directory, "none");
			await mkdir(join(none, "partial"), { recursive: true });
			const words = ["-q", "--yes", "--no-install-recommends", "--print-uris", "-o", `Dir::Cache::archives=${none}/`];
			let printed: string;
			try {
				printed = await run("apt-get", [...words, "install", "?essential", "apt", ...names]);
			} catch (error) {
				const said = wordsOf(error);
				const unknown = findUnknownPackage(said);
				if (unknown !== undefined) throw unknownPackage(unknown, suite, await findSimilar(unknown));
				throw unmetDependencies(said, suite) ?? error;
			}
			const wanted = [...printed.matchAll(/^'[^']*' ([^\s_]+)_([^\s_]+)_[^\s_]+\.deb /gm)];
			const which = wanted.map(([, name, version]) => `${name}=${decodeURIComponent(version ?? "")}`);
			if (which.length === 0) throw new QubesLiteError("Internal", "apt-get names no packages to install.");
			const shown = await run("apt-cache", ["show", "--no-all-versions", ...which]);
			const stanzas = shown.split(/\n\s*\n/).flatMap((text) => parseStanza(text) ?? []);
			return stanzas.map(toPackage);
		},

		async fetch(wanted, into, onPercent) {
			await mkdir(join(into, "partial"), { recursive: true });
			const which = wanted.map(({ name, version }) => `${name}=${version}`);
			const words = [
				"-qq",
				"--yes",
				"--no-install-recommends",
				"--download-only",
				"-o",
				`Dir::Cache::archives=${into}/`,
			];
			await run("apt-get", [...words, "-o", "APT::Status-Fd=1", "install", ...which], {
				timeoutMs: toDownloadTimeoutMs(wanted),
				onOutput: tellPercent(onPercent),
			});
		},

		async find(name, version) {
			// `apt-cache show` fails for a package that it doesn't know, and what it prints then is not for programs.
			const known = await run("apt-cache", ["pkgnames", name]);
			if (!known.split("\n").includes(name)) return undefined;
			const which = version === undefined ? name : `${name}=${version}`;
			const fields = parseStanza(await run("apt-cache", ["show", "--no-all-versions", which]));
			return fields === undefined ? undefined : toPackage(fields);
		},

		async download(wanted, into, onPercent) {
			const which = `${wanted.name}=${wanted.version}`;
			await run("apt-get", ["-qq", "-o", "APT::Status-Fd=1", "download", which], {
				timeoutMs: toDownloadTimeoutMs([wanted]),
				cwd: into,
				onOutput: tellPercent(onPercent ?? (() => {})),
			});
			const [file] = await readdir(into);
			if (file === undefined) throw new QubesLiteError("Internal", `apt-get brought no file for ${which}.`);
			return join(into, file);
		},
	};
}

const tellPercent = (onPercent: (percent: number) => void) => (text: string) => {
	const percent = text
		.match(/dlstatus:\d+:([\d.]+):/g)
		?.at(-1)
		?.split(":")[2];
	if (percent !== undefined) onPercent(Number(percent));
};

/** The machine's own Debian sources for its own release, and the release's name. */
export async function readMachineSources(): Promise<{ codename: string; sources: DebianSource[] }> {
	const release = await readFile("/etc/os-release", "utf8");
	const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1] ?? "";
	const sources = selectDebianSources(await readAptEntries("/etc/apt"), codename);
	if (!sources.some(({ suite }) => suite === codename)) {
		throw new QubesLiteError(
			"Unsupported",
			`apt on this machine has no source for Debian ${codename || "(unknown release)"}.`,
			{
				remedy: "Add Debian's archive to /etc/apt/sources.list, or use an image that was built elsewhere.",
			},
		);
	}
	return { codename, sources };
}

async function readAptEntries(directory: string): Promise<AptEntry[]> {
	const parts = join(directory, "sources.list.d");
	const names = await readdir(parts).catch(() => []);
	const files = [join(directory, "sources.list"), ...names.sort().map((name) => join(parts, name))];
	const entries: AptEntry[] = [];
	for (const file of files.filter((name) => /\.(list|sources)$/.test(name))) {
		const text = await readBounded(file);
		entries.push(...(file.endsWith(".list") ? parseOneLineSources(text) : parseDeb822Sources(text)));
	}
	return entries;
}

/** A file that isn't there, or that only root may read, holds nothing for us. */
async function readBounded(file: string): Promise<string> {
	try {
		const { size } = await stat(file);
		return size > sourcesFileMaxBytes ? "" : await readFile(file, "utf8");
	} catch (error) {
		if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EACCES") return "";
		throw error;
	}
}

async function checkKeyring(): Promise<string> {
	if ((await stat(keyring).catch(() => undefined)) === undefined) {
		throw new QubesLiteError("Unsupported", `Debian's archive keys are missing (${keyring}).`, {
			remedy: "apt-get install debian-archive-keyring",
		});
	}
	return keyring;
}

function toPackage(fields: Stanza): DebianPackage {
	const name = fields.get("package") ?? "";
	const version = fields.get("version") ?? "";
	const size = Number(fields.get("size"));
	const sha256 = fields.get("sha256") ?? "";
	if (name === "" || version === "" || !(size > 0) || !/^[0-9a-f]{64}$/.test(sha256)) {
		throw new QubesLiteError("Internal", `apt's description of the package "${name}" is incomplete.`);
	}
	return { name, version, size, sha256, fields };
}
