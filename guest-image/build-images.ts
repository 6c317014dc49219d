/** `qubes-lite image build [VM…]`: the default image, those that vms ask for by packages, and the helpers of vms. */
import { findConfig } from "../src/config/find-config.ts";
import type { ImageWish } from "../src/config/image.ts";
import type { Config, VmConfig } from "../src/config/schema.ts";
import { noSuchVm, parseVmName } from "../src/config/vm-name.ts";
import { QubesLiteError } from "../src/errors.ts";
import { describeWish, toWishKey } from "../src/vmm/image-wish.ts";
import { type BuildOptions, createImageBuilder } from "./build-image.ts";
import { findHelper } from "./debian-helper.ts";
import { planDebianRoot } from "./debian-root.ts";
import { lockImages } from "./image-lock.ts";
import { createImageStore } from "./image-store.ts";
import { planBusyboxRoot } from "./root-image.ts";
import { vhostDeviceVsock, virtiofsd } from "./vm-helpers.ts";

/** Images that several vms have are one. */
interface Wished {
	readonly wish: ImageWish;
	readonly vms: readonly string[];
}

/** `vms`: whose images are built besides the default one; none: all that the configuration has. */
export async function buildImages(options: BuildOptions, vms: readonly string[]): Promise<void> {
	const { cacheDirectory, force, progress, signal } = options;
	// Before minutes of work, a name that there is not.
	const wished = await findWished(vms, progress.say);
	await using _lock = await lockImages(cacheDirectory, { signal, say: progress.say });
	const store = createImageStore(cacheDirectory);
	const builder = await createImageBuilder(options, store);
	const { inputs } = builder;
	const usual = await builder.build(await planBusyboxRoot(inputs, progress, signal));
	await store.setCurrent(usual.manifest.key);
	await bringHelpers(options);
	for (const { wish, vms } of wished) {
		progress.say(`${vms.join(", ")}: ${describeWish(wish)}`);
		const recipe = await planDebianRoot(wish, { cacheDirectory, inputs, vms, refresh: force, progress, signal });
		const image = await builder.build(recipe);
		await store.setWished(wish, image.manifest.key);
	}
}

async function findWished(names: readonly string[], say: (line: string) => void): Promise<Wished[]> {
	const all = names.map(parseVmName);
	let config: Config;
	try {
		({ config } = await findConfig(process.env));
	} catch (error) {
		if (!(error instanceof QubesLiteError) || all.length > 0) throw error;
		// The default image is nobody's in particular.
		say(`Images that vms ask for are left out: ${error.message}`);
		return [];
	}
	const known = config.vms.map(({ name }) => name);
	const unknown = all.find((name) => !known.includes(name));
	if (unknown !== undefined) throw noSuchVm(unknown, known);
	return groupWishes(config.vms.filter(({ name }) => all.length === 0 || all.includes(name)));
}

/** In the order of the vms; each wish once. */
export function groupWishes(vms: readonly Pick<VmConfig, "name" | "image">[]): Wished[] {
	const groups = new Map<string, { wish: ImageWish; vms: string[] }>();
	for (const { name, image } of vms) {
		if (typeof image !== "object") continue;
		const group = groups.get(toWishKey(image)) ?? { wish: image, vms: [] };
		group.vms.push(name);
		groups.set(toWishKey(image), group);
	}
	return [...groups.values()];
}

async function bringHelpers({ cacheDirectory, progress, signal }: BuildOptions): Promise<void> {
	await progress.step("vsock", async (note) =>
		note((await findHelper(vhostDeviceVsock, cacheDirectory, signal, note)).origin),
	);
	await progress.step("virtiofsd", async (note) => {
		try {
			note((await findHelper(virtiofsd, cacheDirectory, signal, note)).origin);
		} catch (error) {
			if (!(error instanceof QubesLiteError) || error.code !== "Unsupported") throw error;
			// Most vms do without it.
			note("not to be had");
			progress.say(error.remedy === undefined ? error.message : `${error.message}\n  → ${error.remedy}`);
		}
	});
}
