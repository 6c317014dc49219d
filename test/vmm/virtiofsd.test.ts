import { describe, expect, test } from "vitest";
import { crosvmDriver } from "../../src/vmm/crosvm.ts";
import { qemuDriver } from "../../src/vmm/qemu.ts";
import { isFitVirtiofsd } from "../../src/vmm/virtiofsd.ts";
import { createConfig, createVm, facts } from "./facts.ts";

const sharedDirectories = [
	{ tag: "docs", path: "/home/me/my, docs", readOnly: false },
	{ tag: "photos", path: "/srv/photos", readOnly: true },
];
const shares = {
	...facts,
	binaries: { ...facts.binaries, crosvm: "/usr/bin/crosvm", virtiofsd: "/usr/libexec/virtiofsd" },
};

describe("a vm with shared directories", () => {
	const vm = createVm({ sharedDirectories });
	const plan = qemuDriver.plan(createConfig(vm), vm, shares);
	const words = plan.helpers.map(({ argv }) => argv);

	test("has a virtiofsd for each, after the vsock's helper, which goes with it", () => {
		const sockets = ["docs", "photos"].map((tag) => `/run/user/1000/qubes-lite/shopping/fs-${tag}.sock`);
		expect(plan.helpers.slice(1).map(({ name, socket }) => [name, socket])).toEqual([
			["virtiofsd-docs", sockets[0]],
			["virtiofsd-photos", sockets[1]],
		]);
		expect(plan.stale).toEqual(expect.arrayContaining(sockets));
		expect(plan.makesNamespaces).toBe(true);
		expect(plan.requires).toEqual(
			expect.arrayContaining([
				{ kind: "program", path: "/usr/libexec/virtiofsd" },
				{ kind: "directory", path: "/home/me/my, docs" },
				{ kind: "read-only-directory", path: "/srv/photos" },
			]),
		);
	});

	test("tells virtiofsd whose the files are, and leaves it no capability", async () => {
		await expect(words.map((argv) => argv.map((word) => `${word}\n`).join("")).join("\n")).toMatchFileSnapshot(
			"golden/virtiofsd.txt",
		);
	});

	test("lets the guest write only where it may", () => {
		expect(words.map((argv) => argv.includes("--readonly"))).toEqual([false, false, true]);
	});

	test("has no namespace of users where the host's user is root: virtiofsd refuses a map there", () => {
		const root = qemuDriver.plan(createConfig(vm), vm, { ...shares, user: { uid: 0, gid: 0 } });
		expect(root.helpers.flatMap(({ argv }) => argv).filter((word) => /^--[ug]id-map/.test(word))).toEqual([]);
	});

	test("is refused with what helps, where no virtiofsd can do that", () => {
		expect(() => qemuDriver.plan(createConfig(vm), vm, facts)).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: "virtiofsd 1.13 or newer, which sharedDirectories need, is not installed",
				remedy: "qubes-lite image build   # gets it from Debian, or says what else helps",
			}),
		);
	});

	test("is no other vm without them", () => {
		const plain = createVm();
		expect(qemuDriver.plan(createConfig(plain), plain, shares)).toEqual(
			qemuDriver.plan(createConfig(plain), plain, facts),
		);
	});

	test("has its tags from virtiofsd with crosvm alone: QEMU of 7.1 to 8.0 crashes where it offers one", () => {
		const other = createVm({ sharedDirectories, hypervisor: "crosvm", gpu: "none" });
		const { helpers } = crosvmDriver.plan(createConfig(other), other, {
			...{ ...shares, accelerator: "kvm", taps: ["ql-shopping"] },
		});
		const tags = (argv: readonly string[]) => argv.filter((_, index) => argv[index - 1] === "--tag");
		expect(helpers.map(({ argv }) => tags(argv))).toEqual([[], ["docs"], ["photos"]]);
		expect(words.map(tags)).toEqual([[], [], []]);
	});
});

test("a virtiofsd is known by its help: QEMU's own of before 8.0 can't translate users, nor could the first ones in Rust", () => {
	const qemus = "usage: /usr/lib/qemu/virtiofsd [options]\n\n    -h   --help                print help\n";
	const first = "Usage: virtiofsd --shared-dir <SHARED_DIR> [OPTIONS]\n  --uid-map <UID_MAP>\n  --readonly\n";
	expect([qemus, first, `${first}  --translate-uid <TRANSLATE_UID>\n`].map(isFitVirtiofsd)).toEqual([
		false,
		false,
		true,
	]);
});
