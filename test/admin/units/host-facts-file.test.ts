import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseFactsFile } from "../../../src/admin/units/host-facts-file.ts";
import { fakeCache } from "../../e2e/harness.ts";
import { createVm, facts, imageFacts } from "../../vmm/facts.ts";

const { runtimeDirectory: _, user: _user, wayland: _none, nameServer: _unknown, ...rest } = facts;
const file = { schema: 1, ...rest };
const other = { ...imageFacts, root: "/images/other/root.erofs" };
const parse = (value: unknown) =>
	parseFactsFile(typeof value === "string" ? value : JSON.stringify(value), "facts.json");

describe("a file of host facts", () => {
	it("has all that a vm needs, with a runtime directory as logind makes them", () => {
		const parsed = parse(file);
		expect(parsed.of(createVm())).toEqual({ ...facts, wayland: { missing: 'facts.json names no "wayland"' } });
		expect(parsed).toMatchObject({ shim: undefined, remedy: undefined });
	});

	it("may say more: where the shim is, what makes units anew, a runtime directory", () => {
		const more = { shim: "/nix/store/x/vm-shim.sh", remedy: "nixos-rebuild switch", runtimeDirectory: "/run/x" };
		expect(parse({ ...file, ...more })).toMatchObject({ shim: more.shim, remedy: more.remedy });
		expect(parse({ ...file, ...more }).of(createVm()).runtimeDirectory).toBe("/run/x");
		const wayland = "/run/user/1000/wayland-1";
		expect(parse({ ...file, wayland }).of(createVm()).wayland).toEqual({ socket: wayland, isByName: false });
		expect(parse({ ...file, wayland: true }).of(createVm()).wayland).toEqual({
			socket: "/run/user/1000/wayland-0",
			isByName: true,
		});
		expect(parse({ ...file, nameServer: "9.9.9.9" }).of(createVm()).nameServer).toBe("9.9.9.9");
		expect(() => parse({ ...file, nameServer: "fd00::1" })).toThrow("expected an IPv4 address");
	});

	it("has an image for a vm by its name, else by the path in its configuration, else the usual one", () => {
		const third = { ...other, root: "/images/third/root.erofs" };
		const parsed = parse({ ...file, images: { vault: other, "/images/third": third } });
		expect(parsed.of(createVm()).image).toEqual(facts.image);
		expect(parsed.of(createVm({ name: "vault", image: "/images/third" })).image).toEqual(other);
		expect(parsed.of(createVm({ image: "/images/third" })).image).toEqual(third);
		expect(() => parsed.of(createVm({ image: "/images/fourth" }))).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: "facts.json does not know the image of shopping, /images/fourth",
				remedy: 'add it to "images" in facts.json, by that path',
			}),
		);
	});

	it("has one that the configuration asks for by packages by the vm's name alone", () => {
		const wish = { packages: ["firefox-esr", "foot"] };
		expect(parse({ ...file, images: { vault: other } }).of(createVm({ name: "vault", image: wish })).image).toEqual(
			other,
		);
		expect(() => parse(file).of(createVm({ image: wish }))).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: "facts.json does not know the image of shopping, with firefox-esr and foot",
				remedy: 'add it to "images" in facts.json, as "shopping"',
			}),
		);
	});

	it("may name an image's directory, whose manifest says the rest when it is asked for", () => {
		const cache = fakeCache(mkdtempSync(join(tmpdir(), "ql-facts-")));
		const directory = join(cache, "qubes-lite/images/current");
		try {
			const parsed = parse({ ...file, image: directory, images: { vault: "/nowhere" } });
			expect(parsed.of(createVm()).image).toEqual({
				...{ kernel: `${directory}/vmlinux`, initramfs: `${directory}/initrd.cpio`, root: `${directory}/root.erofs` },
				rootFormat: "erofs",
			});
			expect(() => parsed.of(createVm({ name: "vault" }))).toThrow("there is no guest image in /nowhere");
			expect(() => parse({ ...file, image: "images" })).toThrow("expected an absolute path");
		} finally {
			rmSync(cache, { recursive: true });
		}
	});

	it("needs no image for a vm that has all files of its own, nor a usual one where each is named", () => {
		const { image: _, ...without } = file;
		const own = { kernel: "/k", initramfs: "/i", rootDisk: { path: "/r", readOnly: true, id: "root" } };
		expect(parse(without).of(createVm(own)).image).toBeNull();
		expect(parse({ ...without, images: { vault: other } }).of(createVm({ name: "vault" })).image).toEqual(other);
		expect(() => parse(without).of(createVm())).toThrow(
			expect.objectContaining({
				message: "facts.json does not know the image of shopping",
				remedy: 'add "image" to facts.json',
			}),
		);
	});

	it("may lack programs, which the plan of a vm then refuses", () => {
		expect(parse({ ...file, binaries: {} }).of(createVm()).binaries).toEqual({});
	});

	it("is refused with all of its problems at once", () => {
		const bad = {
			schema: 2,
			accelerator: "hvf",
			runtimeDirectory: "run",
			binaries: { qemu: "qemu", xen: "/bin/xl" },
			taps: ["eth0"],
			image: { ...imageFacts, kernel: undefined, root: "/a\nb" },
			images: { vault: { ...other, rootFormat: "btrfs", extra: 1 } },
			remedy: "two\nlines",
			colour: "blue",
		};
		expect(() => parse(bad)).toThrow(
			expect.objectContaining({
				code: "BadRequest",
				remedy: "correct facts.json and try again",
				message: `facts.json has 12 problems:
  colour: no such key; expected one of schema, accelerator, runtimeDirectory, binaries, taps, wayland, nameServer, displayProgram, image, images, shim, remedy
  binaries.xen: no such key; expected one of qemu, crosvm, vhostDeviceVsock, virtiofsd
  images.vault.extra: no such key; expected one of kernel, initramfs, root, rootFormat
  schema is 2; expected 1, the version of this format
  accelerator is "hvf"; expected "kvm" or "tcg"
  runtimeDirectory is "run"; expected an absolute path without control characters
  binaries.qemu is "qemu"; expected an absolute path without control characters
  taps[0] is "eth0"; expected the name of a TAP, ql-<vm>
  image.kernel is missing; expected an absolute path without control characters
  image.root is "/a\\nb"; expected an absolute path without control characters
  images.vault.rootFormat is "btrfs"; expected "erofs" or "ext4"
  remedy is "two\\nlines"; expected one line of at most 200 characters`,
			}),
		);
	});

	it.each([
		["{", "facts.json has a problem:\n  not JSON at line 1, column 2: expected a key in double quotes, found the end"],
		["[]", "facts.json has"],
		["null", "facts.json has a problem:\n  the whole file is null; expected an object"],
		['{"schema":1,"schema":1}', "schema is there twice; expected each key once"],
	])("is refused: %s", (text, message) => {
		expect(() => parse(text)).toThrow(message);
	});
});
