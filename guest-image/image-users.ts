/** Who has which image: vms of the configuration, which would boot it, and vms that run, whose vmm has it open. */
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { findConfig } from "../src/config/find-config.ts";
import type { ImageWish } from "../src/config/image.ts";
import type { VmConfig } from "../src/config/schema.ts";
import { cachePaths } from "../src/vmm/image-manifest.ts";
import { wishPath } from "../src/vmm/image-wish.ts";

export interface ImageUsers {
	/** Names of vms by an image's key. */
	readonly configured: ReadonlyMap<string, readonly string[]>;
	readonly running: ReadonlyMap<string, readonly string[]>;
	/** What the configuration asks for. */
	readonly wishes: readonly ImageWish[];
}

/** Throws BadRequest where the configuration is not good: then nobody knows which images it has. */
export async function findImageUsers(cacheDirectory: string, env: NodeJS.ProcessEnv): Promise<ImageUsers> {
	const { config } = await findConfig(env);
	const pairs = await Promise.all(config.vms.map(async (vm) => [await findKey(cacheDirectory, vm), vm.name] as const));
	return {
		configured: group(pairs.flatMap(([key, name]) => (key === undefined ? [] : [[key, name] as const]))),
		running: group(await listRunning(cacheDirectory)),
		wishes: config.vms.flatMap(({ image }) => (typeof image === "object" ? [image] : [])),
	};
}

/** Of an image of the cache's that the vm would boot now. */
async function findKey(cacheDirectory: string, { image }: VmConfig): Promise<string | undefined> {
	const place = typeof image === "object" ? wishPath(image) : cachePaths.currentImage;
	const directory = typeof image === "string" ? image : join(cacheDirectory, place);
	try {
		const [at, images] = await Promise.all([realpath(directory), realpath(join(cacheDirectory, cachePaths.images))]);
		return dirname(at) === images ? basename(at) : undefined;
	} catch {
		return undefined;
	}
}

/** Each vmm has the paths of what it boots among its words, and its vm's name on the kernel's command line; so has its shim. Of other users' nothing is seen. */
async function listRunning(cacheDirectory: string): Promise<(readonly [string, string])[]> {
	const images = join(cacheDirectory, cachePaths.images);
	const real = await realpath(images).catch(() => images);
	const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
	const found = await Promise.all(
		pids.map(async (pid) => findUse(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""), [images, real])),
	);
	return found.filter((use) => use !== undefined);
}

/** `words`: of /proc/PID/cmdline. The image's key and the vm's name, if they are a vmm's with an image of these directories. */
export function findUse(words: string, directories: readonly string[]): readonly [string, string] | undefined {
	const name = /\bqubeslite\.vm=([a-z0-9-]+)/.exec(words)?.[1];
	if (name === undefined) return undefined;
	for (const directory of directories) {
		const at = words.indexOf(`${directory}/`);
		if (at === -1) continue;
		const key = /^[0-9a-f]+(?=\/)/.exec(words.slice(at + directory.length + 1))?.[0];
		if (key !== undefined) return [key, name];
	}
	return undefined;
}

function group(pairs: readonly (readonly [string, string])[]): Map<string, string[]> {
	const groups = new Map<string, string[]>();
	for (const [key, name] of pairs) {
		const names = groups.get(key) ?? [];
		if (!names.includes(name)) names.push(name);
		groups.set(key, names);
	}
	return groups;
}
