/**
 * `qubes-lite image assemble`: an image's directory from a kernel, its modules and a root file system that somebody else has made. The
 * initramfs is the one of every image of ours, so each of them boots alike.
 */
import { access, copyFile, mkdir, open, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { errnoOf, QubesLiteError } from "../src/errors.ts";
import { cachePaths, type ImageManifest } from "../src/vmm/image-manifest.ts";
import { findGuestScripts } from "./guest-inputs.ts";
import { buildInitramfs } from "./initramfs.ts";
import { runTool } from "./run-tool.ts";
import { hashFile, hashStrings } from "./sha256.ts";

export interface AssembleOptions {
	/** A bzImage or vmlinux: both vmms boot either. */
	readonly kernel: string;
	/** The kernel's `lib/modules/<release>`. */
	readonly modules: string;
	/** A static one, for the initramfs. */
	readonly busybox: string;
	/** A raw image of an erofs or ext4, whose /sbin/init is started. */
	readonly root: string;
	/** Makes a qcow2 of the root: a file with holes, and of the seed's format. */
	readonly qcow: boolean;
	/** A directory that is not there yet. */
	readonly out: string;
	readonly signal: AbortSignal;
}

const converter = "qemu-img";

/** Copying a root of some GB. */
const convertWithinMs = 900_000;

/** Resolves with the directory's manifest. Where it fails, the directory is not there. */
export async function assembleImage(options: AssembleOptions): Promise<ImageManifest> {
	const { kernel, modules, busybox, root, qcow, out, signal } = options;
	for (const file of [kernel, busybox, root, join(modules, "kernel")]) await needReadable(file);
	if (qcow) await needConverter(signal);
	const rootFormat = await findFormat(root);
	await makeDirectory(out);
	try {
		const names = { kernel: "vmlinux", initramfs: "initrd.cpio", root: qcow ? "root.qcow2" : `root.${rootFormat}` };
		const release = basename(modules);
		const initramfs = await buildInitramfs(
			{ busybox, scripts: findGuestScripts() },
			{ modules },
			async (input) => await runTool([busybox, "xzcat"], { signal, input }),
		);
		await writeFile(join(out, names.initramfs), initramfs);
		await copyFile(kernel, join(out, names.kernel));
		if (qcow) {
			const argv = [converter, "convert", "-f", "raw", "-O", "qcow2", root, join(out, names.root)] as const;
			await runTool(argv, { signal, timeoutMs: convertWithinMs });
		} else await copyFile(root, join(out, names.root));
		return await writeManifest(out, names, release, rootFormat);
	} catch (cause) {
		await rm(out, { recursive: true, force: true });
		throw cause;
	}
}

type Part = "kernel" | "initramfs" | "root";

async function writeManifest(
	directory: string,
	names: Readonly<Record<Part, string>>,
	kernelRelease: string,
	rootFormat: ImageManifest["rootFormat"],
): Promise<ImageManifest> {
	const describe = async (part: Part): Promise<ImageManifest[Part]> => {
		const path = join(directory, names[part]);
		return { name: names[part], size: (await stat(path)).size, sha256: await hashFile(path) };
	};
	const [kernel, initramfs, root] = await Promise.all([describe("kernel"), describe("initramfs"), describe("root")]);
	const key = hashStrings([kernel.sha256, initramfs.sha256, root.sha256]);
	const manifest: ImageManifest = { schema: 1, key, kernelRelease, kernel, initramfs, root, rootFormat };
	await writeFile(join(directory, cachePaths.manifest), `${JSON.stringify(manifest, null, "\t")}\n`);
	return manifest;
}

/** By the magic numbers of erofs (at 1024, erofs_fs.h) and ext4 (s_magic at 1080, ext4.h). */
async function findFormat(root: string): Promise<ImageManifest["rootFormat"]> {
	await using file = await open(root);
	const { buffer } = await file.read(Buffer.alloc(58), 0, 58, 1024);
	if (buffer.readUInt32LE(0) === 0xe0f5e1e2) return "erofs";
	if (buffer.readUInt16LE(56) === 0xef53) return "ext4";
	throw new QubesLiteError("BadRequest", `${root} is no raw image of an erofs or ext4 file system.`, {
		remedy: `file '${root}'`,
	});
}

async function needConverter(signal: AbortSignal): Promise<void> {
	try {
		await runTool([converter, "--version"], { signal });
	} catch (cause) {
		throw new QubesLiteError("Unsupported", `${converter} does not run here, which makes a qcow2.`, {
			remedy: "Install it (Debian: qemu-utils), or leave out --qcow.",
			cause,
		});
	}
}

async function needReadable(path: string): Promise<void> {
	try {
		await access(path);
	} catch (cause) {
		throw new QubesLiteError("BadRequest", `${path} can't be read (${errnoOf(cause)}).`, {
			remedy: `ls -ld '${path}'`,
			cause,
		});
	}
}

async function makeDirectory(path: string): Promise<void> {
	try {
		await mkdir(path);
	} catch (cause) {
		const why = errnoOf(cause) === "EEXIST" ? "is there already" : `can't be made (${errnoOf(cause)})`;
		throw new QubesLiteError("BadRequest", `The directory ${path} ${why}.`, {
			remedy: "Name another with --out.",
			cause,
		});
	}
}
