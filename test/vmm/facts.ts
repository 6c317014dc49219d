/** A configuration and a host to plan for; the goldens hold these paths. */
import { defaultLifecycle } from "../../src/config/lifecycle.ts";
import type { Config, VmConfig } from "../../src/config/schema.ts";
import type { HostFacts } from "../../src/vmm/host-facts.ts";

export const facts: HostFacts = {
	accelerator: "tcg",
	runtimeDirectory: "/run/user/1000/qubes-lite",
	binaries: { qemu: "/usr/bin/qemu-system-x86_64", vhostDeviceVsock: "/usr/bin/vhost-device-vsock" },
	taps: [],
	image: {
		kernel: "/images/a1b2/vmlinux",
		initramfs: "/images/a1b2/initramfs.cpio",
		root: "/images/a1b2/root.erofs",
		rootFormat: "erofs",
	},
};

export function createVm(changes: Partial<VmConfig> = {}): VmConfig {
	return {
		id: 5,
		name: "shopping",
		memoryMiB: 2048,
		cpus: 2,
		network: true,
		autoStart: false,
		preload: 0,
		disks: [],
		...defaultLifecycle,
		idleTimeoutMs: 600_000,
		...changes,
	};
}

export function createConfig(...vms: VmConfig[]): Config {
	return { supervisor: "auto", vmNetwork: "172.16.200.0/24", vms };
}
