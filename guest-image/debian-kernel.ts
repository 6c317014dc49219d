/**
 * Debian's cloud kernel of this machine's release: which version is the newest, its package in the cache, and the parts
 * of it that a guest needs. The answer of a day is kept, so that a build with nothing new asks nobody.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { QubesLiteError } from "../src/errors.ts";
import { parseRelations } from "./debian-control.ts";
import { makeOwnedPath, withOwnedDirectory } from "./owned-directory.ts";
import { createPrivateApt, type PrivateApt, readMachineSources } from "./private-apt.ts";
import { runTool } from "./run-tool.ts";
import { hashFile } from "./sha256.ts";

/** A meta-package that depends on the release's newest kernel for virtual machines. */
const metaPackage = "linux-image-cloud-amd64";

/** How long an answer is good: a security update reaches the guests within a day of their machine's next build. */
const answerMaxAgeMs = 24 * 60 * 60 * 1000;

const kernelSchema = v.strictObject({
	name: v.pipe(v.string(), v.regex(/^linux-image-[a-z0-9.+-]+$/)),
	version: v.pipe(v.string(), v.regex(/^[A-Za-z0-9.+~:-]+$/)),
	/** Bytes of the package. */
	size: v.pipe(v.number(), v.integer(), v.minValue(1)),
	sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
	release: v.pipe(v.string(), v.regex(/^[a-z]+$/)),
});

/** A kernel package, as Debian's signed lists describe it. */
export type DebianKernel = v.InferOutput<typeof kernelSchema>;

export interface KernelFiles {
	/** `uname -r`. */
	readonly release: string;
	readonly bzImage: string;
	/** `/lib/modules/<release>` as unpacked. */
	readonly modules: string;
}

export interface KernelSource {
	/**
	 * The newest kernel: a fresh answer from before, else apt's, else (apt can't be asked) the last one whatever its age,
	 * told to `warn`. `refresh` skips the fresh answer.
	 */
	find(options: { refresh: boolean; warn: (sentence: string) => void }): Promise<DebianKernel>;
	/** The package in the cache, with the hash that the lists gave; downloads it where it is missing or damaged. */
	download(kernel: DebianKernel, onPercent: (percent: number) => void): Promise<string>;
}

export function createKernelSource(cacheDirectory: string, signal: AbortSignal): KernelSource {
	const downloads = join(cacheDirectory, "downloads");
	const answerFile = join(downloads, "kernel.json");

	const openApt = async (): Promise<{ apt: PrivateApt; codename: string }> => {
		const { codename, sources } = await readMachineSources();
		return { codename, apt: await createPrivateApt(join(cacheDirectory, "apt", codename), sources, signal) };
	};

	const ask = async (): Promise<DebianKernel> => {
		const { apt, codename } = await openApt();
		await apt.update();
		const kernel = await resolveKernel(apt, codename);
		await mkdir(downloads, { recursive: true });
		const file = await makeOwnedPath(downloads);
		await writeFile(file, `${JSON.stringify(kernel)}\n`);
		await rename(file, answerFile);
		return kernel;
	};

	return {
		async find({ refresh, warn }) {
			const last = await readAnswer(answerFile);
			if (last !== undefined && last.ageMs >= 0 && last.ageMs < answerMaxAgeMs && !refresh) return last.kernel;
			try {
				return await ask();
			} catch (error) {
				signal.throwIfAborted();
				if (last === undefined || !(error instanceof QubesLiteError)) throw error;
				warn(`The kernel stays ${last.kernel.version}. ${error.message}`);
				return last.kernel;
			}
		},

		async download(kernel, onPercent) {
			const file = join(downloads, `${kernel.sha256}.deb`);
			if (await isPackage(file, kernel)) return file;
			await withOwnedDirectory(downloads, async (directory) => {
				const { apt } = await openApt();
				const described = await apt.find(kernel.name, kernel.version);
				if (described?.sha256 !== kernel.sha256) {
					throw new QubesLiteError("Internal", `Debian's lists no longer have ${kernel.name} ${kernel.version}.`, {
						remedy: "qubes-lite image build --force",
					});
				}
				const downloaded = await apt.download(described, directory, onPercent);
				if (!(await isPackage(downloaded, kernel))) {
					throw new QubesLiteError("Internal", `${kernel.name} was damaged on its way here.`, {
						remedy: "qubes-lite image build",
					});
				}
				await removeOtherPackages(downloads, kernel);
				await rename(downloaded, file);
			});
			return file;
		},
	};
}

/** Unpacks the package into `directory`, which must be empty. */
export async function unpackKernel(deb: string, directory: string, signal: AbortSignal): Promise<KernelFiles> {
	await runTool(["dpkg-deb", "-x", deb, directory], { signal });
	const boot = join(directory, "boot");
	const image = (await readdir(boot)).find((name) => name.startsWith("vmlinuz-"));
	if (image === undefined) throw new QubesLiteError("Internal", "The kernel's package holds no kernel.");
	const release = image.slice("vmlinuz-".length);
	for (const root of ["lib/modules", "usr/lib/modules"]) {
		const modules = join(directory, root, release);
		if ((await stat(modules).catch(() => undefined)) !== undefined)
			return { release, bzImage: join(boot, image), modules };
	}
	throw new QubesLiteError("Internal", "The kernel's package holds no modules.");
}

async function resolveKernel(apt: PrivateApt, release: string): Promise<DebianKernel> {
	const meta = await apt.find(metaPackage);
	const [dependency] = parseRelations(meta?.fields.get("depends") ?? "").flat();
	const found = dependency && (await apt.find(dependency.name, dependency.version?.than));
	if (found === undefined) {
		throw new QubesLiteError("Unsupported", `Debian ${release} on this machine's mirror has no ${metaPackage}.`);
	}
	const { name, version, size, sha256 } = found;
	return v.parse(kernelSchema, { name, version, size, sha256, release });
}

async function readAnswer(file: string): Promise<{ kernel: DebianKernel; ageMs: number } | undefined> {
	try {
		const { mtimeMs } = await stat(file);
		return { kernel: v.parse(kernelSchema, JSON.parse(await readFile(file, "utf8"))), ageMs: Date.now() - mtimeMs };
	} catch {
		return undefined;
	}
}

async function isPackage(file: string, kernel: DebianKernel): Promise<boolean> {
	const status = await stat(file).catch(() => undefined);
	return status?.size === kernel.size && (await hashFile(file)) === kernel.sha256;
}

/** One kernel is enough: an older image has its own copy of what it needs. */
async function removeOtherPackages(downloads: string, kernel: DebianKernel): Promise<void> {
	for (const name of await readdir(downloads)) {
		if (name.endsWith(".deb") && name !== `${kernel.sha256}.deb`) await rm(join(downloads, name), { force: true });
	}
}
