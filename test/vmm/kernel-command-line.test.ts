import { expect, test } from "vitest";
import { toKernelCommandLine } from "../../src/vmm/kernel-command-line.ts";
import { createConfig, createVm } from "./facts.ts";

const vm = createVm();
const contract =
	"systemd.hostname=shopping qubeslite.vm=shopping qubeslite.id=5 qubeslite.disposable=0 qubeslite.idle_timeout=600";
const network = "ifname=vm0:02:51:4c:00:00:05 ip=172.16.200.5::172.16.200.4:255.255.255.254::vm0:none";

test("ends with the contract's fields, whatever the accelerator", () => {
	for (const accelerator of ["kvm", "tcg"] as const) {
		const line = toKernelCommandLine(createConfig(vm), vm, { accelerator, network: "tap" });
		expect(line.slice(line.indexOf("systemd.hostname"))).toBe(`${contract} ${network}`);
	}
});

test("names QEMU's name server on its user-mode network only", () => {
	const line = toKernelCommandLine(createConfig(vm), vm, { accelerator: "kvm", network: "user" });
	expect(line).toMatch(`${contract} ${network} qubeslite.dns=172.16.200.1`);
});

test("an offline vm is told of no interface and no address", () => {
	const line = toKernelCommandLine(createConfig(vm), vm, { accelerator: "kvm", network: "none" });
	expect(line.endsWith(contract)).toBe(true);
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
