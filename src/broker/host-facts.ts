/** Finds out what a launch plan depends on, live: looked at before each start, since any of it may have changed. */
import { accessSync, closeSync, constants, openSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { VmConfig } from "../config/schema.ts";
import { errnoOf, QubesLiteError } from "../errors.ts";
import type { HostFacts, ImageFacts } from "../vmm/host-facts.ts";
import { cachePaths, type ImageManifest, parseImageManifest } from "../vmm/image-manifest.ts";

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
	const qemu = findProgram(places.searchPath, "qemu-system-x86_64");
	const helper =
		findProgram(places.searchPath, "vhost-device-vsock") ??
		executable(join(places.cacheDirectory, cachePaths.vhostDeviceVsock));
	return {
		accelerator: kvmWorks() ? "kvm" : "tcg",
		runtimeDirectory: places.runtimeDirectory,
		binaries: {
			...(qemu === undefined ? {} : { qemu }),
			...(helper === undefined ? {} : { vhostDeviceVsock: helper }),
		},
		taps: findTaps(),
		image: readImage(vm.image ?? join(places.cacheDirectory, cachePaths.currentImage)),
	};
}

/** An openable /dev/kvm proves nothing where the processor has no virtualisation: guests then hang early in their boot. */
function kvmWorks(): boolean {
	if (!/^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync("/proc/cpuinfo", "utf8"))) return false;
	try {
		closeSync(openSync("/dev/kvm", constants.O_RDWR));
		return true;
	} catch {
		return false;
	}
}

function findProgram(searchPath: string, name: string): string | undefined {
	for (const directory of searchPath.split(":")) {
		const found = isAbsolute(directory) ? executable(join(directory, name)) : undefined;
		if (found !== undefined) return found;
	}
	return undefined;
}

function executable(path: string): string | undefined {
	try {
		accessSync(path, constants.X_OK);
		return statSync(path).isFile() ? path : undefined;
	} catch {
		return undefined;
	}
}

/** `tun_flags` is there for tun and tap devices only; ours are named `ql-<vm>`. */
function findTaps(): string[] {
	const network = "/sys/class/net";
	return readdirSync(network).filter(
		(name) => name.startsWith("ql-") && statSync(join(network, name, "tun_flags"), { throwIfNoEntry: false }),
	);
}

function readImage(directory: string): ImageFacts {
	const manifest = readManifest(directory);
	const at = realpathSync(directory);
	const pathOf = (file: ImageManifest["kernel"]): string => {
		const path = join(at, file.name);
		const size = statSync(path, { throwIfNoEntry: false })?.size;
		if (size !== file.size) throw damaged(directory, `${file.name} has ${size ?? "no"} bytes instead of ${file.size}`);
		return path;
	};
	return {
		kernel: pathOf(manifest.kernel),
		initramfs: pathOf(manifest.initramfs),
		root: pathOf(manifest.root),
		rootFormat: manifest.rootFormat,
	};
}

function readManifest(directory: string): ImageManifest {
	let text: string;
	try {
		text = readFileSync(join(directory, cachePaths.manifest), "utf8");
	} catch (cause) {
		if (errnoOf(cause) !== "ENOENT") throw damaged(directory, `its manifest cannot be read (${errnoOf(cause)})`, cause);
		throw new QubesLiteError("BootFailed", `there is no guest image in ${directory}`, { remedy, cause });
	}
	try {
		return parseImageManifest(text);
	} catch (cause) {
		throw damaged(directory, "its manifest is not valid", cause);
	}
}

const remedy = "qubes-lite image build";

const damaged = (directory: string, what: string, cause?: unknown): QubesLiteError =>
	new QubesLiteError("BootFailed", `the guest image in ${directory} is damaged: ${what}`, { remedy, cause });
