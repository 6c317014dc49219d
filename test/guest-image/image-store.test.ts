import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createImageStore, findDamage, type ImageStore, type StoredImage } from "../../guest-image/image-store.ts";
import { makeOwnedPath, sweepOwnedPaths } from "../../guest-image/owned-directory.ts";
import { hashFile } from "../../guest-image/sha256.ts";

const key = "0123456789abcdef";
let cache: string;
let store: ImageStore;

beforeEach(async () => {
	cache = await mkdtemp(join(tmpdir(), "qubes-lite-images-"));
	store = createImageStore(cache);
	await mkdir(store.directory);
});
afterEach(async () => {
	await rm(cache, { recursive: true });
});

async function publish(text: string): Promise<StoredImage> {
	const directory = await makeOwnedPath(store.directory);
	await mkdir(directory);
	const describeFile = async (name: string) => {
		await writeFile(join(directory, name), text);
		return { name, size: text.length, sha256: await hashFile(join(directory, name)) };
	};
	return await store.publish(directory, {
		schema: 1,
		key,
		kernelRelease: "6.1.0",
		kernel: await describeFile("vmlinux"),
		initramfs: await describeFile("initrd.cpio"),
		root: await describeFile("root.erofs"),
		rootFormat: "erofs",
	});
}

describe("the image store", () => {
	it("has nothing before the first image", async () => {
		expect(await store.list()).toEqual([]);
		expect(await store.findCurrent()).toBeUndefined();
	});

	it("finds a published image whole, and the current one through its link", async () => {
		const image = await publish("one");
		await store.setCurrent(key);
		expect(await store.list()).toEqual([image]);
		expect(await store.findCurrent()).toEqual(image);
		expect(await findDamage(image)).toBeUndefined();
		expect(await readlink(join(store.directory, "current"))).toBe(key);
	});

	it("moves the link without a moment in which there is none", async () => {
		await store.setCurrent("aaaa");
		await store.setCurrent("bbbb");
		expect(await readdir(store.directory)).toEqual(["current"]);
	});

	it("keeps the image of the build that was faster", async () => {
		await publish("one");
		expect((await publish("two")).manifest.kernel.sha256).toBe((await store.find(key))?.manifest.kernel.sha256);
		expect(await hashFile(join(store.directory, key, "vmlinux"))).toBe((await store.find(key))?.manifest.kernel.sha256);
	});

	it.each([
		["changed", "ONE", "vmlinux has changed"],
		["cut off", "o", "vmlinux has 1 bytes instead of 3"],
	])("sees a file that was %s, and replaces the image", async (_, contents, finding) => {
		const image = await publish("one");
		await writeFile(join(image.directory, "vmlinux"), contents);
		expect(await findDamage(image)).toBe(finding);
		expect(await findDamage(await publish("one"))).toBeUndefined();
	});

	it("replaces an image whose manifest is gone", async () => {
		const image = await publish("one");
		await rm(join(image.directory, "image.json"));
		expect(await store.find(key)).toBeUndefined();
		expect(await findDamage(await publish("two"))).toBeUndefined();
	});

	it("does not take a directory under a wrong name for an image", async () => {
		await publish("one");
		expect(await store.find("fedcba9876543210")).toBeUndefined();
	});
});

describe("temporary directories", () => {
	it("are swept when their process is gone, whoever has its number now, and left otherwise", async () => {
		const ours = await makeOwnedPath(store.directory);
		await mkdir(ours);
		const reused = join(store.directory, `.tmp-${process.pid}-1-00000000`);
		await mkdir(join(reused, "deep"), { recursive: true });
		await writeFile(join(reused, "deep", "file"), "");
		await mkdir(join(store.directory, "unrelated"));
		expect(await sweepOwnedPaths(store.directory)).toBe(1);
		expect((await readdir(store.directory)).sort()).toEqual([ours.slice(store.directory.length + 1), "unrelated"]);
	});
});
