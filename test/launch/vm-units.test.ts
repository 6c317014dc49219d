/** Goldens are whole units. After a wanted change: `vitest run --project unit test/launch -u`, then read the diff. */
import { describe, expect, it } from "vitest";
import { judgeUnit } from "../../src/activation/unit-file.ts";
import type { VmConfig } from "../../src/config/schema.ts";
import { toAllUnits, type UnitContext } from "../../src/launch/vm-units.ts";
import { createConfig, createVm, crosvmFacts, facts, toDisks } from "../vmm/facts.ts";

const context: UnitContext = { shim: "/opt/qubes-lite/dist/vm-shim.sh", remedy: "qubes-lite install" };
const disks = [
	"/data/a b.qcow2",
	"/data/50%n.img",
	"/data/$HOME ${x}.img",
	`/data/"q" 'q'.img`,
	"/data/back\\slash.img",
];

const vms = [
	createVm({ memoryMaxMiB: 4096, cpuWeight: 50, autoStart: true }),
	createVm({ id: 13, name: "vault", network: false }),
	createVm({ id: 7, name: "office", disks: toDisks(disks), dependsOn: ["vault"] }),
	createVm({ id: 15, name: "disp", disposable: true }),
];

describe("units", () => {
	const all = toAllUnits(createConfig(...vms), () => ({ ...facts, taps: ["ql-shopping"] }), context);

	it("are one for each vm, and a template for the instances of each that has no disks", () => {
		expect(all.map(({ name }) => name)).toEqual([
			"qubes-lite-shopping.service",
			"qubes-lite-shopping@.service",
			"qubes-lite-vault.service",
			"qubes-lite-vault@.service",
			"qubes-lite-office.service",
			"qubes-lite-disp.service",
			"qubes-lite-disp@.service",
		]);
	});

	it.each(all.map(({ name, text }) => [name, text]))("%s", async (name, text) => {
		expect(judgeUnit(text)).toBe("ours");
		await expect(text).toMatchFileSnapshot(`golden/${name}`);
	});

	it("have a TAP of the pool for each instance of a networked vm, where any is there", async () => {
		const config = { ...createConfig(...vms), disposablePool: { ids: [101, 103] } };
		const of = (taps: readonly string[]) => toAllUnits(config, () => ({ ...facts, taps }), context);
		const template = "qubes-lite-disp@.service";
		const withPool = of(["ql-shopping", "ql-d103"]);
		await expect(withPool.find(({ name }) => name === template)?.text).toMatchFileSnapshot(
			"golden/pool-qubes-lite-disp@.service",
		);
		const differ = withPool.filter(({ text }, index) => text !== all[index]?.text).map(({ name }) => name);
		expect(differ).toEqual(["qubes-lite-shopping@.service", template]);
		expect(of(["ql-shopping", "ql-d105"])).toEqual(all);
	});

	it("are others for KVM, and for a shim in an odd place", async () => {
		const odd = { ...context, shim: "/opt/50% $x/vm-shim.sh" };
		const [unit] = toAllUnits(createConfig(createVm()), () => ({ ...facts, accelerator: "kvm" }), odd);
		await expect(unit?.text).toMatchFileSnapshot("golden/shopping-kvm.service");
	});

	it("of crosvm leave it to its sandbox to make namespaces, and find the compositor when they start", async () => {
		const wayland = { socket: "/run/user/1000/wayland-1", isByName: true };
		const of = (changes: Partial<VmConfig>) => {
			const vm = createVm({ hypervisor: "crosvm", gpu: "virgl", disks: toDisks(["/home.img"]), ...changes });
			return toAllUnits(createConfig(vm), () => ({ ...crosvmFacts, taps: ["ql-shopping"], wayland }), context)[0]?.text;
		};
		await expect(of({})).toMatchFileSnapshot("golden/crosvm.service");
		const confined = { extraArgs: [], sandbox: false };
		await expect(of({ gpu: "none", crosvm: confined })).toMatchFileSnapshot("golden/crosvm-without-sandbox.service");
	});

	it("say nothing of where the runtime directory is", () => {
		const elsewhere = { ...facts, taps: ["ql-shopping"], runtimeDirectory: "/tmp/elsewhere/qubes-lite" };
		expect(toAllUnits(createConfig(...vms), () => elsewhere, context)).toEqual(all);
	});

	it("share directories of whoever's user manager has them", async () => {
		const vm = createVm({ sharedDirectories: [{ tag: "docs", path: "/home/me/50% $x", readOnly: false }] });
		const of = (uid: number) => {
			const binaries = { ...facts.binaries, virtiofsd: "/usr/libexec/virtiofsd" };
			return toAllUnits(createConfig(vm), () => ({ ...facts, binaries, user: { uid, gid: uid + 1 } }), context);
		};
		await expect(of(1000)[0]?.text).toMatchFileSnapshot("golden/shares-qubes-lite-shopping.service");
		expect(of(1234)).toEqual(of(1000));
	});

	it("leave it to the caller to say that a vm can't be launched", () => {
		const refuse = () => {
			throw new Error("no image");
		};
		expect(() => toAllUnits(createConfig(...vms), refuse, context)).toThrow("no image");
		expect(toAllUnits(createConfig(), refuse, context)).toEqual([]);
	});
});

describe("a unit's text", () => {
	const [unit] = toAllUnits(createConfig(createVm()), () => facts, context);
	const text = unit?.text ?? "";

	it("is known as ours, as edited in any of its lines, or as somebody else's", () => {
		expect(judgeUnit(text)).toBe("ours");
		expect(judgeUnit(`${text}CPUWeight=7\n`)).toBe("edited");
		expect(judgeUnit(text.replace("Type=exec", "Type=simple"))).toBe("edited");
		expect(judgeUnit(text.replace("sha256 of what follows: ", "sha256 of what follows: 0"))).toBe("edited");
		expect(judgeUnit(text.slice(1))).toBe("foreign");
		expect(judgeUnit("")).toBe("foreign");
	});
});
