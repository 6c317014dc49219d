import { expect, test } from "vitest";
import { kernelParamsMaxBytes } from "../../src/config/kernel-params.ts";
import type { Config, VmConfig } from "../../src/config/schema.ts";
import { type KernelFacts, toKernelWords } from "../../src/vmm/kernel-command-line.ts";
import { createConfig, createVm } from "./facts.ts";

const root = { path: "/root.img", readOnly: true, id: "root" };

/** As QEMU has it. */
function toKernelCommandLine(
	config: Config,
	vm: VmConfig,
	facts: Pick<KernelFacts, "accelerator" | "network"> & Partial<KernelFacts>,
): string {
	const words = toKernelWords(config, vm, { root, hypervisor: "qemu", nameServer: null, ...facts });
	return words.map(({ word }) => word).join(" ");
}

const vm = createVm();
const rootWords = "root=/dev/vda ro";
const contract =
	"systemd.hostname=shopping qubeslite.vm=shopping qubeslite.id=5 qubeslite.disposable=0 qubeslite.idle_timeout=600";
const network = "ifname=vm0:02:51:4c:00:00:05 ip=172.16.200.5::172.16.200.4:255.255.255.254::vm0:none";

test("ends with the contract's fields, whatever the accelerator", () => {
	for (const accelerator of ["kvm", "tcg"] as const) {
		const line = toKernelCommandLine(createConfig(vm), vm, { accelerator, network: "tap" });
		expect(line.slice(line.indexOf("systemd.hostname"))).toBe(`${contract} ${network} ${rootWords}`);
	}
});

test("names QEMU's name server on its user-mode network only", () => {
	const line = toKernelCommandLine(createConfig(vm), vm, { accelerator: "kvm", network: "user" });
	expect(line).toMatch(`${contract} ${network} qubeslite.dns=172.16.200.1`);
});

test("names the host's name server to a guest on a TAP, where it has one", () => {
	const facts = { accelerator: "kvm", network: "tap", nameServer: "192.168.1.1" } as const;
	const line = toKernelCommandLine(createConfig(vm), vm, facts);
	expect(line).toMatch(`${contract} ${network} qubeslite.dns=192.168.1.1`);
	expect(toKernelCommandLine(createConfig(vm), vm, { ...facts, network: "none" })).not.toMatch("dns");
});

test("an offline vm is told of no interface and no address", () => {
	const line = toKernelCommandLine(createConfig(vm), vm, { accelerator: "kvm", network: "none" });
	expect(line.endsWith(`${contract} ${rootWords}`)).toBe(true);
});

test("a disposable says so", () => {
	const disposable = createVm({ disposable: true, idleTimeoutMs: 0 });
	const line = toKernelCommandLine(createConfig(disposable), disposable, { accelerator: "kvm", network: "none" });
	expect(line).toMatch("qubeslite.disposable=1 qubeslite.idle_timeout=0");
});

test("a guest under KVM is told nothing about time stamp counters", () => {
	const kvm = toKernelCommandLine(createConfig(vm), vm, { accelerator: "kvm", network: "none" });
	const tcg = toKernelCommandLine(createConfig(vm), vm, { accelerator: "tcg", network: "none" });
	expect(kvm).not.toMatch("tsc=");
	expect(tcg).toMatch("tsc=reliable");
	for (const line of [kvm, tcg]) expect(line).toMatch("panic=-1");
});

test.each(["a b", "a\nb", "ä", "a\u0000"])("refuses a name like %j: it would begin a field of its own", (name) => {
	const bad = createVm({ name });
	expect(() => toKernelCommandLine(createConfig(bad), bad, { accelerator: "kvm", network: "none" })).toThrow(
		"the kernel command line takes only printable ASCII without spaces: systemd.hostname has something else",
	);
});

test("refuses what the kernel would cut off", () => {
	const bad = createVm({ name: "n".repeat(1000) });
	expect(() => toKernelCommandLine(createConfig(bad), bad, { accelerator: "kvm", network: "none" })).toThrow(
		/^the kernel command line of n+ has 21\d\d bytes, 2047 are allowed; its longest field is systemd.hostname$/,
	);
});

test("what crosvm says by itself, it is not told", () => {
	const facts = { accelerator: "kvm", network: "tap", nameServer: null, root } as const;
	const [qemu, crosvm] = (["qemu", "crosvm"] as const).map((hypervisor) =>
		toKernelWords(createConfig(vm), vm, { ...facts, hypervisor }).map(({ word }) => word),
	);
	expect(qemu).toEqual(["panic=-1", "console=ttyS0", ...(crosvm ?? []), "root=/dev/vda", "ro"]);
});

test("the vm's own words come after ours", () => {
	const own = createVm({ kernelParams: ["init=/nix/store/xyz/init", "loglevel=4"] });
	const line = toKernelCommandLine(createConfig(own), own, { accelerator: "kvm", network: "none" });
	expect(line.endsWith(`${contract} init=/nix/store/xyz/init loglevel=4 ${rootWords}`)).toBe(true);
});

test("what a configuration may add always has room", () => {
	const longest = createVm({
		...{ name: "n".repeat(12), id: 255, disposable: true, idleTimeoutMs: 31_536_000_000 },
		sharedDirectories: Array.from({ length: 4 }, (_, index) => ({
			...{ tag: `${index}`.padStart(20, "t"), path: "/", readOnly: false },
		})),
		kernelParams: ["p".repeat(kernelParamsMaxBytes)],
	});
	const config = { ...createConfig(longest), vmNetwork: "172.255.255.0/24" };
	expect(toKernelCommandLine(config, longest, { accelerator: "tcg", network: "user" }).length).toBeLessThan(2047);
});
