import { describe, expect, it } from "vitest";
import { groupWishes } from "../../guest-image/build-images.ts";
import { findUse } from "../../guest-image/image-users.ts";
import { formatAge, type ListedImage, toTable } from "../../guest-image/list-images.ts";
import { findNamed, refuseUsed } from "../../guest-image/remove-images.ts";

const file = (name: string) => ({ name, size: 1, sha256: "0".repeat(64) });
const kernelKey = "a".repeat(16);

function image(rootKey: string, changes: Partial<ListedImage> = {}, packages?: string[]): ListedImage {
	const key = kernelKey + "b".repeat(16) + rootKey.padEnd(16, "0");
	return {
		directory: `/images/${key}`,
		manifest: {
			...{ schema: 1, key, kernelRelease: "6.1", rootFormat: "erofs", root: file("root.erofs") },
			...{ kernel: file("vmlinux"), initramfs: file("initrd.cpio") },
			...(packages !== undefined && { packages, suite: "bookworm" }),
		},
		...{ short: key.slice(32, 44), isCurrent: false, bytes: 1e6, builtAt: 0, vms: [], running: [] },
		...changes,
	};
}

describe("the images that vms ask for", () => {
	it("are one where the packages are the same", () => {
		const foot = { packages: ["foot"] };
		const vms = [
			{ name: "a", image: foot },
			{ name: "b" },
			{ name: "c", image: { packages: ["foot"] } },
			{ name: "d", image: "/images/own" },
			{ name: "e", image: { packages: ["foot"], suite: "sid" } },
		];
		expect(groupWishes(vms)).toEqual([
			{ wish: foot, vms: ["a", "c"] },
			{ wish: { packages: ["foot"], suite: "sid" }, vms: ["e"] },
		]);
	});
});

describe("a process that has an image open", () => {
	const words = ["qemu", "-kernel", "/cache/images/ab12/vmlinux", "-append", "quiet qubeslite.vm=shopping ro"].join(
		"\0",
	);

	it("is known by its words", () => {
		expect(findUse(words, ["/cache/images"])).toEqual(["ab12", "shopping"]);
		expect(findUse(words, ["/link/images", "/cache/images"])).toEqual(["ab12", "shopping"]);
	});

	it.each([
		["another cache's", words, "/other/images"],
		["a file beside the images", words.replace("ab12/", ""), "/cache/images"],
		["no vmm", words.replace("qubeslite.vm", "qubeslite"), "/cache/images"],
		["nothing", "", "/cache/images"],
	])("is not %s", (_, text, directory) => {
		expect(findUse(text, [directory])).toBeUndefined();
	});
});

describe("the table of images", () => {
	it("says what each holds, and who boots it and runs with it", () => {
		const images = [
			image("5758ce874fbb", { vms: ["desk", "web"], running: ["web"], bytes: 454e6 }, ["firefox-esr", "foot"]),
			image("9b3a2f2d465c", { isCurrent: true, vms: ["vault"], builtAt: 600_000 }),
			image("000000000001", { running: ["old"] }),
		];
		expect(toTable(images, 3_600_000)).toBe(
			[
				"KEY           HOLDS                            SIZE  AGE     VMS",
				"5758ce874fbb  firefox-esr foot (bookworm)  454.0 MB  1 h     desk, web (runs)",
				"9b3a2f2d465c  default                        1.0 MB  50 min  vault",
				"000000000001  default, older                 1.0 MB  1 h     old (runs)",
				"",
			].join("\n"),
		);
		expect(toTable([], 0)).toBe("");
	});

	it.each([
		[-5, "0 min"],
		[59 * 60_000, "59 min"],
		[47 * 3_600_000, "47 h"],
		[48 * 3_600_000, "2 d"],
	])("%d ms are %s", (ms, words) => {
		expect(formatAge(ms)).toBe(words);
	});
});

describe("an image", () => {
	const [one, two, three] = [image("111111111111"), image("112222222222"), image("333333333333")];
	const images = [one, two, three];

	it("is named by the beginning of its short name or of its key", () => {
		expect(findNamed(images, "3")).toBe(three);
		expect(findNamed(images, "112222222222")).toBe(two);
		expect(findNamed(images, one.manifest.key)).toBe(one);
	});

	it.each([
		[{ running: ["desk"] }, "desk runs with the image 111111111111", "qubes-lite stop desk"],
		[{ running: ["desk", "disp-3"] }, "desk, disp-3 run with the image 111111111111", "qubes-lite stop desk disp-3"],
		[
			{ vms: ["desk", "web"] },
			"desk, web boot the image 111111111111, and would not start without it",
			expect.stringMatching(/^qubes-lite image rm --force 111111111111 /),
		],
	])("stays where vms use it: %j", (users, message, remedy) => {
		expect(() => refuseUsed({ ...one, ...users }, false)).toThrow(expect.objectContaining({ message, remedy }));
	});

	it.each([
		["11", "11 may be any of 111111111111, 112222222222"],
		["4", 'there is no image "4"'],
		["", 'there is no image ""'],
		["../x\n", 'there is no image "../x\\n"'],
	])("is not named by %j", (name, message) => {
		expect(() => findNamed(images, name)).toThrow(expect.objectContaining({ message, remedy: "qubes-lite image ls" }));
	});
});
