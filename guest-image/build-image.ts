/**
 * Builds guest images: finds their inputs, takes each part (kernel, initramfs, root image) from an image that has it
 * already or makes it, and publishes the three with their manifest. Needs no root.
 */
import { copyFile, link, mkdir, open, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QubesLiteError } from "../src/errors.ts";
import type { ImageManifest } from "../src/vmm/image-manifest.ts";
import {
	createKernelSource,
	type DebianKernel,
	type KernelFiles,
	type KernelSource,
	unpackKernel,
} from "./debian-kernel.ts";
import { buildRoomBytes, checkRoom } from "./disk-room.ts";
import { findGuestInputs, type GuestInputs } from "./guest-inputs.ts";
import { findDamage, findFileDamage, type ImageStore, type StoredImage } from "./image-store.ts";
import { buildInitramfs, hashInitramfsInputs } from "./initramfs.ts";
import { sweepOwnedPaths, withOwnedDirectory } from "./owned-directory.ts";
import { megabytes, type Progress } from "./progress.ts";
import type { RootRecipe } from "./root-recipe.ts";
import { runTool } from "./run-tool.ts";
import { hashFile, hashStrings } from "./sha256.ts";
import { extractVmlinux, type XzDecompress } from "./vmlinux.ts";

export interface BuildOptions {
	/** `$XDG_CACHE_HOME/qubes-lite`. */
	readonly cacheDirectory: string;
	/** Ask for the newest kernel again, and build even what is there. */
	readonly force: boolean;
	readonly progress: Progress;
	readonly signal: AbortSignal;
}

/** The three parts, in the order in which their hashes make up an image's key. */
const parts = ["kernel", "initramfs", "root"] as const;
type Part = (typeof parts)[number];

const fileNames: Readonly<Record<Part, string>> = { kernel: "vmlinux", initramfs: "initrd.cpio", root: "root.erofs" };

/** 64 bits of each part's hash: nobody but the user writes to the user's cache. */
const partKeyLength = 16;

/** Raised whenever the way from bzImage to vmlinux changes. */
const kernelVersion = "1";

/** Builds images one after the other, each as its root's recipe says, around the newest kernel. */
export interface ImageBuilder {
	readonly inputs: GuestInputs;
	/** The image, built or found. */
	build(recipe: RootRecipe): Promise<StoredImage>;
}

export async function createImageBuilder(options: BuildOptions, store: ImageStore): Promise<ImageBuilder> {
	const { cacheDirectory, progress, signal, force } = options;
	const kernels = createKernelSource(cacheDirectory, signal);
	await prepareCache(cacheDirectory, store);

	const inputs = await findGuestInputs(signal);
	const kernel = await progress.step("lists", async (note) => {
		const found = await kernels.find({ refresh: force, warn: progress.say });
		note(`${found.name} ${found.version} (${found.release})`);
		return found;
	});
	return {
		inputs,
		async build(recipe) {
			const keys = await hashParts(inputs, kernel, recipe);
			const key = parts.map((part) => keys[part]).join("");
			const existing = force ? undefined : await findWhole(store, key, progress);
			return existing ?? (await makeImage({ ...options, store, kernels, inputs, kernel, recipe, keys, key }));
		},
	};
}

interface Making extends BuildOptions {
	readonly store: ImageStore;
	readonly kernels: KernelSource;
	readonly inputs: GuestInputs;
	readonly kernel: DebianKernel;
	readonly recipe: RootRecipe;
	readonly keys: Readonly<Record<Part, string>>;
	readonly key: string;
}

async function makeImage(making: Making): Promise<StoredImage> {
	const { store, progress, keys, key, force, recipe } = making;
	// The work directory and the image are siblings in one directory, so that one rename publishes.
	await checkRoom(store.directory, buildRoomBytes);
	return await withOwnedDirectory(store.directory, async (work) => {
		const image = join(work, "image");
		await mkdir(image, { mode: 0o755 });
		const known = await store.list();
		// Kernel and initramfs of the same inputs are the same; what is built anew by force is the root.
		const reuse = async (part: Part): Promise<StoredImage | undefined> =>
			await takePart(force && part === "root" ? [] : known, part, keys[part], image);

		const kernelFrom = await reuse("kernel");
		const initramfsFrom = await reuse("initramfs");
		let release = kernelFrom?.manifest.kernelRelease;
		if (release === undefined || initramfsFrom === undefined) {
			const files = await unpack(making, join(work, "kernel"));
			release = files.release;
			if (kernelFrom === undefined) await makeKernel(making, files, image);
			if (initramfsFrom === undefined) await makeInitramfs(making, files, image);
		}
		if ((await reuse("root")) === undefined) await recipe.build(join(work, "root"), join(image, fileNames.root));
		return await progress.step("check", async (note) => {
			const manifest = { ...(await describe(image, key, release)), ...recipe.facts };
			const published = await store.publish(image, manifest);
			const damage = await findDamage(published);
			if (damage !== undefined) throw new QubesLiteError("Internal", `The new image is damaged: ${damage}.`);
			note(published.directory);
			return published;
		});
	});
}

async function unpack({ kernels, kernel, progress, signal }: Making, directory: string): Promise<KernelFiles> {
	const deb = await progress.step("kernel", async (note) => {
		const total = megabytes(kernel.size);
		const file = await kernels.download(kernel, (percent) => note(`${percent.toFixed(0)} % of ${total}`));
		note(total);
		return file;
	});
	return await progress.step("unpack", async (note) => {
		await mkdir(directory);
		const files = await unpackKernel(deb, directory, signal);
		note(files.release);
		return files;
	});
}

async function makeKernel({ progress, inputs, signal }: Making, files: KernelFiles, image: string): Promise<void> {
	await progress.step("vmlinux", async (note) => {
		const vmlinux = await extractVmlinux(await readFile(files.bzImage), xzBy(inputs, signal));
		await writeFile(join(image, fileNames.kernel), vmlinux);
		note(megabytes(vmlinux.length));
	});
}

async function makeInitramfs({ progress, inputs, signal }: Making, files: KernelFiles, image: string): Promise<void> {
	await progress.step("initramfs", async (note) => {
		const initramfs = await buildInitramfs(inputs, files, xzBy(inputs, signal));
		await writeFile(join(image, fileNames.initramfs), initramfs);
		note(megabytes(initramfs.length));
	});
}

/** busybox is there in any case; the machine may have no xz of its own. */
function xzBy({ busybox }: GuestInputs, signal: AbortSignal): XzDecompress {
	return async (input) => await runTool([busybox, "xzcat"], { signal, input });
}

async function prepareCache(cacheDirectory: string, store: ImageStore): Promise<void> {
	for (const directory of [store.directory, join(cacheDirectory, "downloads"), join(cacheDirectory, "tools")]) {
		await mkdir(directory, { recursive: true, mode: 0o700 });
		await sweepOwnedPaths(directory);
	}
}

async function hashParts(inputs: GuestInputs, kernel: DebianKernel, recipe: RootRecipe): Promise<Record<Part, string>> {
	const kernelHash = hashStrings([kernelVersion, kernel.sha256]);
	const initramfs = await hashInitramfsInputs(inputs, kernelHash);
	const cut = (hash: string): string => hash.slice(0, partKeyLength);
	return { kernel: cut(kernelHash), initramfs: cut(initramfs), root: cut(recipe.hash) };
}

async function findWhole(store: ImageStore, key: string, progress: Progress): Promise<StoredImage | undefined> {
	const image = await store.find(key);
	if (image === undefined) return undefined;
	return await progress.step("check", async (note) => {
		const damage = await findDamage(image);
		note(damage === undefined ? `${image.directory} is up to date` : `${damage}, building again`);
		return damage === undefined ? image : undefined;
	});
}

/** Takes a part over from the first known image that was made of the same inputs and is undamaged in that part. */
async function takePart(
	known: readonly StoredImage[],
	part: Part,
	partKey: string,
	image: string,
): Promise<StoredImage | undefined> {
	const from = parts.indexOf(part) * partKeyLength;
	for (const candidate of known) {
		if (candidate.manifest.key.slice(from, from + partKeyLength) !== partKey) continue;
		if ((await findFileDamage(candidate.directory, candidate.manifest[part])) !== undefined) continue;
		const source = join(candidate.directory, candidate.manifest[part].name);
		const target = join(image, fileNames[part]);
		await link(source, target).catch(async () => await copyFile(source, target));
		return candidate;
	}
	return undefined;
}

/** The manifest of the three files as they are on the disk now. */
async function describe(image: string, key: string, kernelRelease: string): Promise<ImageManifest> {
	const describeFile = async (part: Part): Promise<ImageManifest[Part]> => {
		const path = join(image, fileNames[part]);
		await flush(path);
		return { name: fileNames[part], size: (await stat(path)).size, sha256: await hashFile(path) };
	};
	const [kernel, initramfs, root] = await Promise.all([
		describeFile("kernel"),
		describeFile("initramfs"),
		describeFile("root"),
	]);
	return { schema: 1, key, kernelRelease, kernel, initramfs, root, rootFormat: "erofs" };
}

/** To the disk before the rename is: after a power cut an image is whole or absent. */
async function flush(path: string): Promise<void> {
	await using file = await open(path, "r");
	await file.sync();
}
