/** `qubes-lite image rm` and `gc`: images go by one rename each; a vmm that has one open keeps it until it ends. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ImageWish } from "../src/config/image.ts";
import { QubesLiteError } from "../src/errors.ts";
import { cachePaths } from "../src/vmm/image-manifest.ts";
import { toWishKey } from "../src/vmm/image-wish.ts";
import { createImageStore } from "./image-store.ts";
import { findImageUsers } from "./image-users.ts";
import { type ListedImage, listImages } from "./list-images.ts";
import { sweepOwnedPaths } from "./owned-directory.ts";
import { answerName, baseStart, fileNameOf, packagePlaces, readList } from "./package-set.ts";
import { megabytes } from "./progress.ts";

/** Removes what is named; all or nothing is refused before the first goes. */
export async function removeImages(cacheDirectory: string, names: readonly string[], force: boolean): Promise<void> {
	const images = await listImages(cacheDirectory, await findImageUsers(cacheDirectory, process.env));
	const chosen = [...new Set(names.map((name) => findNamed(images, name)))];
	for (const image of chosen) refuseUsed(image, force);
	const store = createImageStore(cacheDirectory);
	for (const { manifest, short, bytes } of chosen) {
		await store.remove(manifest.key);
		process.stdout.write(`${short}: ${megabytes(bytes)} freed\n`);
	}
}

/** By its short name, its key, or as much of either as no other begins with. */
export function findNamed(images: readonly ListedImage[], name: string): ListedImage {
	const found = images.filter(
		({ short, manifest: { key } }) => name !== "" && (short.startsWith(name) || key.startsWith(name)),
	);
	const [image] = found;
	const remedy = "qubes-lite image ls";
	if (image === undefined)
		throw new QubesLiteError("BadRequest", `there is no image ${JSON.stringify(name)}`, { remedy });
	if (found.length === 1) return image;
	const shorts = found.map(({ short }) => short).join(", ");
	throw new QubesLiteError("BadRequest", `${name} may be any of ${shorts}`, { remedy });
}

/** Throws Busy where it must stay. */
export function refuseUsed({ short, vms, running }: ListedImage, force: boolean): void {
	if (running.length > 0) {
		throw new QubesLiteError(
			"Busy",
			`${running.join(", ")} ${running.length === 1 ? "runs" : "run"} with the image ${short}`,
			{
				remedy: `qubes-lite stop ${running.join(" ")}`,
			},
		);
	}
	if (vms.length === 0 || force) return;
	throw new QubesLiteError(
		"Busy",
		`${vms.join(", ")} ${vms.length === 1 ? "boots" : "boot"} the image ${short}, and would not start without it`,
		{ remedy: `qubes-lite image rm --force ${short}   # and then, before the next start: qubes-lite image build` },
	);
}

/** Removes images that no vm of the configuration asks for and none runs with, and files of packages that no image of it is made of. */
export async function collectGarbage(cacheDirectory: string, dryRun: boolean): Promise<void> {
	const users = await findImageUsers(cacheDirectory, process.env);
	const store = createImageStore(cacheDirectory);
	const unused = (await listImages(cacheDirectory, users)).filter(
		({ isCurrent, vms, running }) => !isCurrent && vms.length === 0 && running.length === 0,
	);
	let freed = 0;
	for (const { manifest, short, bytes } of unused) {
		if (!dryRun) await store.remove(manifest.key);
		freed += bytes;
		process.stdout.write(
			`${short}: ${megabytes(bytes)}${manifest.packages ? `, ${manifest.packages.join(" ")}` : ""}\n`,
		);
	}
	const files = await listOldFiles(cacheDirectory, users.wishes);
	for (const { path, bytes } of files) {
		if (!dryRun) await rm(path, { force: true });
		freed += bytes;
	}
	if (!dryRun)
		for (const place of [store.directory, join(cacheDirectory, packagePlaces.answers)]) await sweepOwnedPaths(place);
	const packages = files.filter(({ path }) => path.endsWith(".deb")).length;
	const what = `${unused.length} images and ${packages} files of packages`;
	process.stdout.write(
		`${dryRun ? `${what} would go:` : `${what} are gone:`} ${megabytes(freed)}${dryRun ? "" : " freed"}\n`,
	);
}

interface OldFile {
	readonly path: string;
	readonly bytes: number;
}

/** Packages, answers and pointers of what nobody asks for. */
async function listOldFiles(cacheDirectory: string, wishes: readonly ImageWish[]): Promise<OldFile[]> {
	const wanted = new Map(wishes.map((wish) => [toWishKey(wish), wish]));
	const starts = [...wanted.keys()].map(baseStart);
	const answers = join(cacheDirectory, packagePlaces.answers);
	const kept = new Set<string>();
	const old: string[] = [];
	for (const name of await list(answers)) {
		const match = /^packages-([a-z-]+)-([0-9a-f]{32})-/.exec(name);
		if (match === null) continue;
		const [, suite = "", key = ""] = match;
		const wish = wanted.get(key);
		if (wish === undefined || name !== answerName(wish, suite)) old.push(join(answers, name));
		else for (const one of (await readList(join(answers, name))) ?? []) kept.add(`${suite}/${fileNameOf(one)}`);
	}
	const files = join(cacheDirectory, packagePlaces.files);
	for (const suite of await list(files)) {
		for (const name of await list(join(files, suite))) {
			const isKept = name.endsWith(".deb")
				? kept.has(`${suite}/${name}`)
				: starts.some((start) => name.startsWith(start));
			if (!isKept && /\.deb$|^base-/.test(name)) old.push(join(files, suite, name));
		}
		old.push(...(await list(join(files, suite, "partial"))).map((name) => join(files, suite, "partial", name)));
	}
	const pointers = join(cacheDirectory, cachePaths.wishes);
	old.push(...(await list(pointers)).filter((name) => !wanted.has(name)).map((name) => join(pointers, name)));
	return await Promise.all(old.map(async (path) => ({ path, bytes: await sizeOf(path) })));
}

const list = async (directory: string): Promise<string[]> => await readdir(directory).catch(() => []);

/** A link's own, and of a file with another name in an image's making nothing. */
async function sizeOf(path: string): Promise<number> {
	const found = await stat(path).catch(() => undefined);
	return found?.isFile() === true ? found.blocks * 512 : 0;
}
