/** Finds out what a launch plan depends on, live: looked at before each start, since any of it may have changed. */
import { join } from "node:path";
import type { VmConfig } from "../config/schema.ts";
import type { HostFacts } from "../vmm/host-facts.ts";
import { cachePaths } from "../vmm/image-manifest.ts";
import { readImage } from "./image-facts.ts";
import { lookAtKvm } from "./kvm.ts";
import { executable, findProgram } from "./programs.ts";
import { listTaps } from "./taps.ts";

export interface HostPlaces {
	/** `$XDG_RUNTIME_DIR/qubes-lite`. */
	readonly runtimeDirectory: string;
	/** `$XDG_CACHE_HOME/qubes-lite`. */
	readonly cacheDirectory: string;
	/** `$PATH`. */
	readonly searchPath: string;
}

/** Throws BootFailed with the remedy where the guest image is missing or damaged. */
export function gatherHostFacts(places: HostPlaces, vm: VmConfig): HostFacts {
	const qemu = findQemu(places);
	const helper = findVhostDeviceVsock(places);
	return {
		accelerator: lookAtKvm().works ? "kvm" : "tcg",
		runtimeDirectory: places.runtimeDirectory,
		binaries: {
			...(qemu === undefined ? {} : { qemu }),
			...(helper === undefined ? {} : { vhostDeviceVsock: helper }),
		},
		taps: listTaps(),
		image: readImage(imageOf(places, vm), vm.image === undefined ? null : (vm.instanceOf?.name ?? vm.name)),
	};
}

type Search = Pick<HostPlaces, "cacheDirectory" | "searchPath">;

export const findQemu = ({ searchPath }: Pick<HostPlaces, "searchPath">): string | undefined =>
	findProgram(searchPath, "qemu-system-x86_64");

/** An installed one comes before the one that was unpacked with the image. */
export const findVhostDeviceVsock = ({ cacheDirectory, searchPath }: Search): string | undefined =>
	findProgram(searchPath, "vhost-device-vsock") ?? executable(join(cacheDirectory, cachePaths.vhostDeviceVsock));

/** The directory of the image that `vm` boots. */
export const imageOf = ({ cacheDirectory }: Pick<HostPlaces, "cacheDirectory">, vm: Pick<VmConfig, "image">): string =>
	vm.image ?? join(cacheDirectory, cachePaths.currentImage);
