/** Finds out what a launch plan depends on, live: looked at before each start, since any of it may have changed. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { VmConfig } from "../config/schema.ts";
import type { Binaries, HostFacts, ImageFacts } from "../vmm/host-facts.ts";
import { cachePaths } from "../vmm/image-manifest.ts";
import { wishPath } from "../vmm/image-wish.ts";
import { readImage, readWishedImage } from "./image-facts.ts";
import { lookAtKvm } from "./kvm.ts";
import { findNameServer } from "./name-server.ts";
import { executable, findProgram } from "./programs.ts";
import { listTaps } from "./taps.ts";
import { findVirtiofsd } from "./virtiofsd.ts";
import { findWayland } from "./wayland.ts";

export interface HostPlaces {
	/** `$XDG_RUNTIME_DIR/qubes-lite`. */
	readonly runtimeDirectory: string;
	/** `$XDG_CACHE_HOME/qubes-lite`. */
	readonly cacheDirectory: string;
	/** `$PATH`. */
	readonly searchPath: string;
	/** Where the user's compositor is: XDG_RUNTIME_DIR, WAYLAND_DISPLAY. */
	readonly session: () => NodeJS.ProcessEnv;
}

/** Beside the broker's bundle. */
const displayScript = fileURLToPath(new URL("./vm-display.cjs", import.meta.url));

/** Throws BootFailed with the remedy where the guest image is missing or damaged. */
export function gatherHostFacts(places: HostPlaces, vm: VmConfig): HostFacts {
	return {
		accelerator: lookAtKvm().works ? "kvm" : "tcg",
		runtimeDirectory: places.runtimeDirectory,
		user: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
		binaries: findBinaries(places, vm),
		taps: listTaps(),
		wayland: findWayland(places.session()),
		nameServer: findNameServer(),
		displayProgram: [process.execPath, displayScript],
		image: hasOwnFiles(vm) ? null : readImageOf(places, vm),
	};
}

/** It boots nothing of an image. */
export const hasOwnFiles = ({ kernel, initramfs, rootDisk }: VmConfig): boolean =>
	kernel !== undefined && initramfs !== undefined && rootDisk !== undefined;

function findBinaries(places: HostPlaces, { sharedDirectories }: VmConfig): Binaries {
	const found = {
		qemu: findQemu(places),
		crosvm: findCrosvm(places),
		vhostDeviceVsock: findVhostDeviceVsock(places),
		// It is asked what it can do, which takes it milliseconds.
		virtiofsd: sharedDirectories.length === 0 ? undefined : findVirtiofsd(places),
	};
	return Object.fromEntries(Object.entries(found).filter(([, path]) => path !== undefined));
}

type Search = Pick<HostPlaces, "cacheDirectory" | "searchPath">;

export const findQemu = ({ searchPath }: Pick<HostPlaces, "searchPath">): string | undefined =>
	findProgram(searchPath, "qemu-system-x86_64");

export const findCrosvm = ({ searchPath }: Pick<HostPlaces, "searchPath">): string | undefined =>
	findProgram(searchPath, "crosvm");

/** An installed one comes before the one that was unpacked with the image. */
export const findVhostDeviceVsock = ({ cacheDirectory, searchPath }: Search): string | undefined =>
	findProgram(searchPath, "vhost-device-vsock") ?? executable(join(cacheDirectory, cachePaths.vhostDeviceVsock));

/** The directory of the image that `vm` boots. */
export function imageOf(
	{ cacheDirectory }: Pick<HostPlaces, "cacheDirectory">,
	{ image }: Pick<VmConfig, "image">,
): string {
	if (typeof image === "string") return image;
	return join(cacheDirectory, image === undefined ? cachePaths.currentImage : wishPath(image));
}

/** What it boots of that. Throws BootFailed, with what makes the image, or corrects its place. */
export function readImageOf(
	places: Pick<HostPlaces, "cacheDirectory">,
	vm: Pick<VmConfig, "image" | "name" | "instanceOf">,
): ImageFacts {
	const directory = imageOf(places, vm);
	const owner = vm.instanceOf?.name ?? vm.name;
	if (typeof vm.image === "string") return readImage(directory, owner);
	return vm.image === undefined ? readImage(directory, null) : readWishedImage(directory, vm.image, owner);
}
