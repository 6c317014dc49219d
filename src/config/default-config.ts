/** The configuration when there is no file: the seed's example vms and one disposable, so that the first run just works. */
import { defaultLifecycle } from "./lifecycle.ts";
import { defaultHandler } from "./programs.ts";
import type { Config, VmConfig } from "./schema.ts";

/** Of a vm of which nothing else is said. */
export const defaultVm = {
	...defaultLifecycle,
	cpus: 2,
	network: true,
	autoStart: false,
	preload: 0,
	disks: [],
	sharedDirectories: [],
	kernelParams: [],
	hypervisor: "qemu",
	gpu: "auto",
	display: "auto",
	sound: "playback",
	crosvm: { extraArgs: [], sandbox: true },
	programs: [],
	open: defaultHandler,
} satisfies Partial<VmConfig>;

// Ten minutes: nobody asked for these vms to stay, and the next request boots them again.
const common = { ...defaultVm, idleTimeoutMs: 600_000 };

export const defaultConfig: Config = {
	vmNetwork: "172.16.200.0/24",
	supervisor: "auto",
	notifications: true,
	desktop: true,
	vms: [
		{ ...common, id: 3, name: "banking", memoryMiB: 4096, cpus: 4 },
		{ ...common, id: 5, name: "shopping", memoryMiB: 2048 },
		{ ...common, id: 7, name: "personal", memoryMiB: 4096, cpus: 4, network: false },
		{ ...common, id: 13, name: "vault", memoryMiB: 2048, network: false },
		{ ...common, id: 15, name: "disp", memoryMiB: 1024, disposable: true },
	],
};
