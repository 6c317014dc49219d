/** Guest images of roots that a test has laid itself: what making them takes, whatever is in them. */
import { spawnSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { createKernelSource, type KernelFiles, unpackKernel } from "../../guest-image/debian-kernel.ts";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** Fetching Debian's packages, and unpacking them. */
const withinMs = 600_000;

/** What a program prints, which must end well. Programs for root are found, too. */
export function run(
	[program, ...words]: readonly [string, ...string[]],
	env: Readonly<Record<string, string>> = {},
): string {
	const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
	const ran = spawnSync(program, words, { encoding: "utf8", timeout: withinMs, env: { ...process.env, PATH, ...env } });
	expect(ran).toMatchObject({ status: 0 });
	return ran.stdout;
}

/** The kernel of the built image, unpacked below `directory`. */
export async function unpackGuestKernel(directory: string): Promise<KernelFiles> {
	const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "qubes-lite");
	const { signal } = new AbortController();
	const kernels = createKernelSource(cache, signal);
	const deb = await kernels.download(await kernels.find({ refresh: false, warn: () => {} }), () => {});
	const kernel = join(directory, "kernel");
	mkdirSync(kernel);
	return await unpackKernel(deb, kernel, signal);
}

/** `directory`/image of the root that `tree` has, as an ext4 of so many MiB in a qcow2: as Nix makes images. */
export function assemble(directory: string, tree: string, sizeMiB: number, { bzImage, modules }: KernelFiles): void {
	const disk = join(directory, "root.ext4");
	writeFileSync(disk, "");
	truncateSync(disk, sizeMiB * 1024 * 1024);
	run(["mke2fs", "-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-d", tree, disk]);
	const parts = ["--kernel", bzImage, "--modules", modules, "--busybox", "/usr/bin/busybox", "--root", disk];
	const out = join(directory, "image");
	expect(run([join(root, "bin/qubes-lite"), "image", "assemble", "--qcow", "--out", out, ...parts])).toBe(`${out}\n`);
}
