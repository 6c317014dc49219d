/**
 * The images in the cache: one directory each, named by its key, and the symlink `current`. An image appears by one
 * rename of a complete directory, so whoever looks sees all of it or nothing.
 */
import { mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ImageWish } from "../src/config/image.ts";
import { errnoOf } from "../src/errors.ts";
import { cachePaths, type ImageManifest, parseImageManifest } from "../src/vmm/image-manifest.ts";
import { wishPath } from "../src/vmm/image-wish.ts";
import { makeOwnedPath } from "./owned-directory.ts";
import { hashFile } from "./sha256.ts";

export interface StoredImage {
	readonly directory: string;
	readonly manifest: ImageManifest;
}

export type ManifestFile = ImageManifest["kernel"];

export interface ImageStore {
	/** Where images are. */
	readonly directory: string;
	/** All images with a readable manifest; their files are not looked at. */
	list(): Promise<StoredImage[]>;
	find(key: string): Promise<StoredImage | undefined>;
	/** Directory of the image that `current` names; `undefined` when there is none. */
	findCurrent(): Promise<StoredImage | undefined>;
	setCurrent(key: string): Promise<void>;
	/** Makes it the image of all vms with that wish, at once: one that runs keeps what it has. */
	setWished(wish: ImageWish, key: string): Promise<void>;
	/**
	 * Puts the finished `directory` (all but its manifest) in place. Where another build was faster with the same image,
	 * that one is kept and returned; a damaged one is replaced.
	 */
	publish(directory: string, manifest: ImageManifest): Promise<StoredImage>;
	remove(key: string): Promise<void>;
}

export function createImageStore(cacheDirectory: string): ImageStore {
	const directory = join(cacheDirectory, cachePaths.images);
	const current = join(cacheDirectory, cachePaths.currentImage);
	const wishes = join(cacheDirectory, cachePaths.wishes);

	const find = async (key: string): Promise<StoredImage | undefined> => {
		const image = await readImage(join(directory, key));
		return image?.manifest.key === key ? image : undefined;
	};

	/** Takes the image out of sight with one rename before its files go one by one. */
	const remove = async (key: string): Promise<void> => {
		const aside = await makeOwnedPath(directory);
		try {
			await rename(join(directory, key), aside);
		} catch (error) {
			if (errnoOf(error) === "ENOENT") return;
			throw error;
		}
		await rm(aside, { recursive: true, force: true });
	};

	const pointTo = async (target: string, path: string): Promise<void> => {
		const link = await makeOwnedPath(directory);
		await symlink(target, link);
		await rename(link, path);
	};

	return {
		directory,
		find,
		remove,

		async list() {
			const names = await readdir(directory).catch(() => []);
			const images = await Promise.all(names.filter((name) => /^[0-9a-f]+$/.test(name)).map(find));
			return images.filter((image) => image !== undefined);
		},

		async findCurrent() {
			const target = await readlink(current).catch(() => undefined);
			return target === undefined ? undefined : await find(basename(target));
		},

		async setCurrent(key) {
			await pointTo(key, current);
		},

		async setWished(wish, key) {
			await mkdir(wishes, { recursive: true, mode: 0o700 });
			await pointTo(`../${key}`, join(cacheDirectory, wishPath(wish)));
		},

		async publish(built, manifest) {
			await writeFile(join(built, cachePaths.manifest), `${JSON.stringify(manifest, null, "\t")}\n`);
			const image = { directory: join(directory, manifest.key), manifest };
			// Twice: the second time after a damaged image has been taken away.
			for (const isLast of [false, true]) {
				try {
					await rename(built, image.directory);
					return image;
				} catch (error) {
					if (isLast || (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST")) throw error;
				}
				const other = await find(manifest.key);
				if (other !== undefined && (await findDamage(other)) === undefined) return other;
				await remove(manifest.key);
			}
			return image;
		},
	};
}

/** What is wrong with an image's files, as a clause; `undefined` when all are as the manifest says. */
export async function findDamage({ directory, manifest }: StoredImage): Promise<string | undefined> {
	const files = [manifest.kernel, manifest.initramfs, manifest.root];
	const findings = await Promise.all(files.map((file) => findFileDamage(directory, file)));
	return findings.find((finding) => finding !== undefined);
}

export async function findFileDamage(directory: string, file: ManifestFile): Promise<string | undefined> {
	const path = join(directory, file.name);
	const status = await stat(path).catch(() => undefined);
	if (status === undefined) return `${file.name} is missing`;
	if (status.size !== file.size) return `${file.name} has ${status.size} bytes instead of ${file.size}`;
	return (await hashFile(path)) === file.sha256 ? undefined : `${file.name} has changed`;
}

async function readImage(directory: string): Promise<StoredImage | undefined> {
	try {
		return { directory, manifest: parseImageManifest(await readFile(join(directory, cachePaths.manifest), "utf8")) };
	} catch {
		// Absent, half-written or of another version: in every case not an image that can be used.
		return undefined;
	}
}
