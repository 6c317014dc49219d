/**
 * The root image of a guest of Debian with programs: packages laid by mmdebstrap, and over them our own files, by debian/build-root.sh. In namespaces
 * of its own; where there is memory enough the tree is in memory, and nothing of it ever on the disk.
 */
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { ImageWish } from "../src/config/image.ts";
import { checkRoom } from "./disk-room.ts";
import { type DebianInputs, findDebianInputs, type GuestInputs } from "./guest-inputs.ts";
import { checkNamespaces, inNamespaces } from "./namespaces.ts";
import { createPackageSource, guestPackages, type PackageSet, usrIsMerged } from "./package-set.ts";
import { explainLaying } from "./package-words.ts";
import type { Progress } from "./progress.ts";
import type { RootRecipe } from "./root-recipe.ts";
import { runTool, wordsOf } from "./run-tool.ts";
import { hashFile, hashStrings } from "./sha256.ts";

/** Raised whenever this file changes what it makes of the same inputs. */
const rootVersion = "1";

/** Of which the tests' smallest set takes half a minute on two cores. */
const layWithinMs = 3_600_000;

/** Node, and what erofs needs beside the files. */
const ownBytes = 200e6;

interface LayerFile {
	/** Absolute path in the guest. */
	readonly path: string;
	readonly mode: number;
	/** Absolute path on this machine, or the whole content. */
	readonly content: { readonly source: string } | { readonly text: string };
}

export interface DebianRootOptions {
	readonly cacheDirectory: string;
	readonly inputs: GuestInputs;
	/** That ask for it, for what is said of a mistake in the wish. */
	readonly vms: readonly string[];
	readonly refresh: boolean;
	readonly progress: Progress;
	readonly signal: AbortSignal;
}

/** What a root for `wish` is made of: asks Debian, if need be, which packages those are by now. */
export async function planDebianRoot(wish: ImageWish, options: DebianRootOptions): Promise<RootRecipe> {
	const { cacheDirectory, inputs, vms, refresh, progress, signal } = options;
	const source = await createPackageSource(cacheDirectory, wish, vms, signal);
	const set = await progress.step("packages", async (note) => {
		const found = await source.find({ refresh, warn: progress.say });
		note(describeSet(found));
		return found;
	});
	const debian = await findDebianInputs(signal);
	const layer = await listLayer(inputs, debian, source.aptSources);
	const scripts = ["build-root.sh", "finish-root.sh"].map((name) => join(debian.directory, name));

	return {
		hash: hashStrings([
			...[rootVersion, set.suite, JSON.stringify(wish.packages), set.hash],
			...(await Promise.all(scripts.map(hashFile))),
			...(await Promise.all(layer.map(hashLayerFile))),
		]),
		facts: { windows: "waypipe", suite: set.suite, packages: [...wish.packages] },

		async build(work, output) {
			await checkNamespaces(signal);
			const repository = join(work, "packages");
			const staging = join(work, "layer");
			const place = join(work, "place");
			for (const directory of [repository, staging, place]) await mkdir(directory, { recursive: true });
			const inMemory = (await readAvailableMemory()) > memoryNeeded(set);
			await checkRoom(work, diskNeeded(set, inMemory));
			await progress.step("download", async (note) => {
				await source.bring(set, repository, (percent) => note(`${percent.toFixed(0)} %`));
				note(megabytes(set.downloadBytes));
			});
			for (const file of layer) await layFile(staging, file);
			await progress.step("install", async (note) => {
				const [script = ""] = scripts;
				const base = await source.prepareBase(set, hashStrings([toInclude(wish, set), await hashFile(script)]));
				if (refresh) await rm(base, { force: true });
				const isKnown = existsSync(base);
				const words = [
					place,
					inMemory ? "yes" : "no",
					repository,
					staging,
					set.suite,
					toInclude(wish, set),
					output,
					base,
				];
				const tell = tellInstalled(set.packages.length, note);
				try {
					await runTool(inNamespaces(["sh", script, ...words]), {
						...{ signal, timeoutMs: layWithinMs, onOutput: tell, killSignal: "SIGKILL", name: "mmdebstrap" },
					});
				} catch (error) {
					signal.throwIfAborted();
					throw explainLaying(wordsOf(error), error);
				}
				note(`${set.packages.length} packages${isKnown ? ", laid before" : ""}`);
			});
		},
	};
}

/** Measured: 0.13 s on two cores that nobody else needs. */
const secondsEach = 0.2;

function describeSet({ packages, suite, downloadBytes, installedBytes }: PackageSet): string {
	const minutes = Math.ceil((packages.length * secondsEach) / 60);
	const sizes = `${megabytes(downloadBytes)} to get at most, ${megabytes(installedBytes)} installed`;
	return `${packages.length} of Debian ${suite}: ${sizes}, about ${minutes} min where they are new`;
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

function toInclude({ packages }: ImageWish, set: PackageSet): string {
	const merged = set.packages.some(({ name }) => name === usrIsMerged) ? [usrIsMerged] : [];
	return [...new Set([...merged, ...guestPackages, ...packages])].join(",");
}

/** The tree, packages on their way into it, and as much again for the machine's other work. */
const memoryNeeded = ({ installedBytes, downloadBytes }: PackageSet): number =>
	2 * (installedBytes + downloadBytes + ownBytes);

function diskNeeded({ installedBytes, downloadBytes }: PackageSet, inMemory: boolean): number {
	const image = installedBytes + ownBytes;
	const archive = installedBytes / 2;
	return downloadBytes + ownBytes + archive + (inMemory ? image : 2 * image + downloadBytes);
}

/** /proc/meminfo (proc(5)) is in KiB. */
async function readAvailableMemory(): Promise<number> {
	const text = await readFile("/proc/meminfo", "utf8").catch(() => "");
	return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

/** dpkg says "Setting up NAME (VERSION) ..." of each, of the essential ones before the others. */
function tellInstalled(count: number, note: (text: string) => void): (text: string) => void {
	let done = 0;
	return (text) => {
		const names = [...text.matchAll(/^Setting up ([^\s:]+)/gm)].map(([, name]) => name);
		done += names.length;
		if (names.length > 0) note(`${Math.min(done, count)} of ${count}: ${names.at(-1)}`);
	};
}

const home = "/usr/lib/qubes-lite";

/** A generator has no PATH that one may rely on. */
const shared = {
	[`${home}/note-phase`]: ["note-phase.sh", ""],
	[`${home}/end-sessions`]: ["end-sessions.sh", ""],
	[`${home}/name-server`]: ["name-server.sh", ""],
	"/usr/lib/systemd/system-generators/qubes-lite-shares": ["share-generator.sh", "export PATH=/usr/bin\n"],
} as const;

async function listLayer(inputs: GuestInputs, debian: DebianInputs, aptSources: string): Promise<LayerFile[]> {
	const root = join(debian.directory, "root");
	const entries = await readdir(root, { recursive: true, withFileTypes: true });
	const own = entries
		.filter((entry) => entry.isFile())
		.map(({ parentPath, name }) => join(parentPath, name))
		.map((source) => toLayerFile(`/${relative(root, source)}`, source));
	const scripts = await Promise.all(
		Object.entries(shared).map(async ([path, [name, before]]) => {
			const text = `#!/bin/sh\n${before}${await readFile(join(debian.shared, name), "utf8")}`;
			return { path, mode: 0o755, content: { text } };
		}),
	);
	// What starts programs from the host names our Node: a package may bring another as /usr/bin/node.
	const guest = await readFile(`${inputs.scripts}qubes-lite-guest`, "utf8");
	const files: LayerFile[] = [
		...own,
		...scripts,
		{ path: "/etc/apt/sources.list.d/debian.sources", mode: 0o644, content: { text: aptSources } },
		{
			path: "/usr/bin/qubes-lite-guest",
			mode: 0o755,
			content: { text: guest.replace("/usr/bin/node", `${home}/node`) },
		},
		{ path: `${home}/node`, mode: 0o755, content: { source: inputs.node.path } },
		toLayerFile(`${home}/agent.cjs`, inputs.agent),
		toLayerFile(`${home}/programs.cjs`, inputs.programs),
		toLayerFile(`${home}/koffi.node`, inputs.koffi),
		toLayerFile(`${home}/display.cjs`, debian.display),
	];
	return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Of what is in a checkout the modes are the umask's; what is to be executed is not configuration. */
const toLayerFile = (path: string, source: string): LayerFile => ({
	...{ path, content: { source } },
	mode: dirname(path) === home && !/\.[a-z]+$/.test(path) ? 0o755 : 0o644,
});

async function hashLayerFile({ path, mode, content }: LayerFile): Promise<string> {
	return hashStrings([path, String(mode), "text" in content ? content.text : await hashFile(content.source)]);
}

/** Modes are set apart from the making, which the caller's umask would change. */
async function layFile(staging: string, { path, mode, content }: LayerFile): Promise<void> {
	const target = join(staging, path);
	const missing: string[] = [];
	for (let parent = dirname(path); parent !== "/"; parent = dirname(parent)) missing.unshift(join(staging, parent));
	for (const directory of missing) {
		await mkdir(directory, { recursive: true });
		await chmod(directory, 0o755);
	}
	if ("text" in content) await writeFile(target, content.text);
	else await copyFile(content.source, target);
	await chmod(target, mode);
}
