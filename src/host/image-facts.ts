/** A guest image on disk: complete, or refused. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ImageWish } from "../config/image.ts";
import { errnoOf, QubesLiteError } from "../errors.ts";
import type { ImageFacts } from "../vmm/host-facts.ts";
import { cachePaths, type ImageManifest, parseImageManifest } from "../vmm/image-manifest.ts";
import { describeWish } from "../vmm/image-wish.ts";

/**
 * Compares sizes, not contents. Throws BootFailed with the remedy where the image is missing or damaged. `owner` is the vm
 * whose `image` names the directory; null is the image that we build.
 */
export function readImage(directory: string, owner: string | null): ImageFacts {
	try {
		return readComplete(directory);
	} catch (cause) {
		if (owner === null || !(cause instanceof QubesLiteError)) throw cause;
		const message = `${cause.message}, which the configuration names as the image of ${owner}`;
		throw new QubesLiteError(cause.code, message, { remedy: ownImageRemedy(owner), cause });
	}
}

/** The same of the image that was built for what `vm` asks for. */
export function readWishedImage(directory: string, wish: ImageWish, vm: string): ImageFacts {
	const build = `qubes-lite image build ${vm}`;
	try {
		return readComplete(directory);
	} catch (cause) {
		if (!(cause instanceof QubesLiteError)) throw cause;
		const isMissing = statSync(directory, { throwIfNoEntry: false }) === undefined;
		const message = isMissing ? `there is no guest image with ${describeWish(wish)} for ${vm}` : cause.message;
		throw new QubesLiteError(cause.code, message, { remedy: build, cause });
	}
}

const ownImageRemedy = (vm: string): string =>
	`correct "image" of ${vm} in the configuration, or leave it out to boot the built one`;

function readComplete(directory: string): ImageFacts {
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
		...(manifest.windows !== undefined && { windows: manifest.windows }),
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
