/** `qubes-lite image ls`: what is in the cache, who uses it, and what it takes. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { QubesLiteError } from "../src/errors.ts";
import { cachePaths } from "../src/vmm/image-manifest.ts";
import { createImageStore, type StoredImage } from "./image-store.ts";
import { findImageUsers, type ImageUsers } from "./image-users.ts";
import { megabytes } from "./progress.ts";

export interface ListedImage extends StoredImage {
	/** As people name it: the part of the key in which images of one kernel differ. */
	readonly short: string;
	readonly isCurrent: boolean;
	/** On the disk; of a file that several images share the first of them has the bytes. */
	readonly bytes: number;
	/** Milliseconds since the epoch. */
	readonly builtAt: number;
	readonly vms: readonly string[];
	readonly running: readonly string[];
}

/** 48 bits are enough to tell a user's images apart. */
const shortLength = 12;
/** Of a key that is made of its parts' (build-image.ts), the root's begins here. */
const rootAt = 32;

/** The newest first. */
export async function listImages(cacheDirectory: string, users: ImageUsers): Promise<ListedImage[]> {
	const store = createImageStore(cacheDirectory);
	const current = (await store.findCurrent())?.manifest.key;
	const seen = new Set<string>();
	const images: ListedImage[] = [];
	for (const image of await store.list()) {
		const { key } = image.manifest;
		images.push({
			...image,
			short: (key.slice(rootAt) || key).slice(0, shortLength),
			isCurrent: key === current,
			...(await measure(image, seen)),
			vms: users.configured.get(key) ?? [],
			running: users.running.get(key) ?? [],
		});
	}
	return images.sort((a, b) => b.builtAt - a.builtAt);
}

/** What it takes besides the files that have been `seen`, which it adds its own to. */
async function measure(
	{ directory, manifest }: StoredImage,
	seen: Set<string>,
): Promise<{ bytes: number; builtAt: number }> {
	let bytes = 0;
	for (const { name } of [manifest.kernel, manifest.initramfs, manifest.root]) {
		const found = await stat(join(directory, name)).catch(() => undefined);
		if (found === undefined || seen.has(`${found.dev}:${found.ino}`)) continue;
		seen.add(`${found.dev}:${found.ino}`);
		// st_blocks is in units of 512 bytes (stat(2)).
		bytes += found.blocks * 512;
	}
	const { mtimeMs } = await stat(join(directory, cachePaths.manifest));
	return { bytes, builtAt: Math.round(mtimeMs) };
}

/** Of a configuration that is not good only the running vms are known, and that is said. */
export async function printImages(cacheDirectory: string, asJson: boolean, now: number): Promise<void> {
	const users = await findImageUsers(cacheDirectory, process.env).catch((error: unknown): ImageUsers => {
		if (!(error instanceof QubesLiteError)) throw error;
		process.stderr.write(`qubes-lite image: which vms use them is not known: ${error.message}\n`);
		return { configured: new Map(), running: new Map(), wishes: [] };
	});
	const images = await listImages(cacheDirectory, users);
	process.stdout.write(asJson ? toJson(images) : toTable(images, now));
}

function toJson(images: readonly ListedImage[]): string {
	const shown = images.map(({ directory, manifest, short, isCurrent, bytes, builtAt, vms, running }) => ({
		...{ key: manifest.key, short, kernelRelease: manifest.kernelRelease, bytes, current: isCurrent, directory },
		...{ suite: manifest.suite ?? null, packages: manifest.packages ?? null, builtAt, vms, running },
	}));
	return `${JSON.stringify({ schema: 1, images: shown })}\n`;
}

export function toTable(images: readonly ListedImage[], now: number): string {
	const rows = images.map((image) => [
		image.short,
		describeContent(image),
		megabytes(image.bytes),
		formatAge(now - image.builtAt),
		describeUsers(image),
	]);
	const all = [["KEY", "HOLDS", "SIZE", "AGE", "VMS"], ...rows];
	const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
	const format = (row: readonly string[]): string =>
		row
			.map((cell, column) => (column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
			.join("  ")
			.trimEnd();
	return images.length === 0 ? "" : `${all.map(format).join("\n")}\n`;
}

/** Longer lists are in --json. */
const contentMax = 40;

function describeContent({ isCurrent, manifest: { packages, suite } }: ListedImage): string {
	if (packages === undefined) return isCurrent ? "default" : "default, older";
	const text = `${packages.join(" ")} (${suite})`;
	return text.length <= contentMax ? text : `${text.slice(0, contentMax - 1)}…`;
}

function describeUsers({ vms, running }: ListedImage): string {
	const names = [...new Set([...vms, ...running])];
	return names.map((name) => (running.includes(name) ? `${name} (runs)` : name)).join(", ");
}

/** "5 min", "3 h", "12 d". */
export function formatAge(ms: number): string {
	const minutes = Math.max(0, Math.floor(ms / 60_000));
	if (minutes < 60) return `${minutes} min`;
	return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60 / 24)} d`;
}
