/** A configuration and a host to plan for; the goldens hold these paths. */

import { defaultVm } from "../../src/config/default-config.ts";
import type { Disk } from "../../src/config/disks.ts";
import type { Config, VmConfig } from "../../src/config/schema.ts";
import type { HostFacts, ImageFacts } from "../../src/vmm/host-facts.ts";

export const imageFacts: ImageFacts = {
	kernel: "/images/a1b2/vmlinux",
	initramfs: "/images/a1b2/initramfs.cpio",
	root: "/images/a1b2/root.erofs",
	rootFormat: "erofs",
};

export const facts: HostFacts = {
	accelerator: "tcg",
	runtimeDirectory: "/run/user/1000/qubes-lite",
	user: { uid: 1000, gid: 1000 },
	binaries: { qemu: "/usr/bin/qemu-system-x86_64", vhostDeviceVsock: "/usr/bin/vhost-device-vsock" },
	taps: [],
	wayland: { missing: "WAYLAND_DISPLAY is not set" },
	nameServer: null,
	displayProgram: ["/opt/node", "/opt/vm-display.cjs"],
	image: imageFacts,
};

/** For crosvm, on a host without a session. */
export const crosvmFacts: HostFacts = {
	...facts,
	accelerator: "kvm",
	binaries: {
		crosvm: "/usr/bin/crosvm",
		vhostDeviceVsock: "/usr/bin/vhost-device-vsock",
		virtiofsd: "/usr/libexec/virtiofsd",
	},
};

/** As a file that names only their paths has them. */
export const toDisks = (paths: readonly string[]): Disk[] =>
	paths.map((path, index) => ({ path, readOnly: false, id: `disk${index}` }));

export function createVm(changes: Partial<VmConfig> = {}): VmConfig {
	return {
		...defaultVm,
		...{ id: 5, name: "shopping", memoryMiB: 2048, idleTimeoutMs: 600_000 },
		...changes,
	};
}

export function createConfig(...vms: VmConfig[]): Config {
	return { supervisor: "auto", notifications: true, vmNetwork: "172.16.200.0/24", desktop: true, vms };
}
