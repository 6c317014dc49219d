/** What plans of all drivers have in common: helpers, network, what is booted, and what the host must have for it. Pure. */
import { poolIdOf, toPoolTap, toTapRemedy, toVmTap } from "../config/addresses.ts";
import type { Disk } from "../config/disks.ts";
import { rootDiskId } from "../config/disks.ts";
import { capabilities } from "../config/hypervisor.ts";
import type { VmConfig } from "../config/schema.ts";
import type { SharedDirectory } from "../config/shared-directories.ts";
import { QubesLiteError } from "../errors.ts";
import {
	type HostRequirement,
	type LaunchHelper,
	type LaunchPlan,
	socketPathMaxBytes,
	vmFiles,
} from "../launch-plan.ts";
import { toDisplayHelper } from "./display-helper.ts";
import type { HostFacts } from "./host-facts.ts";
import { toVirtiofsdWords } from "./virtiofsd.ts";

/** `tap`: a pre-made TAP of the host. `user`: the vmm itself speaks TCP and UDP for the guest. */
export type NetworkKind = "none" | "tap" | "user";

/** What the vm boots: the image's, or its own. */
export interface BootFiles {
	readonly kernel: string;
	readonly initramfs: string;
	readonly root: Disk;
}

export interface PlanParts {
	readonly vm: VmConfig;
	readonly boot: BootFiles;
	readonly network: NetworkKind;
	/** Of the host, where `network` is "tap". */
	readonly tap: string;
	/** In the vm's directory. */
	readonly sockets: { readonly vsock: string; readonly vhostVsock: string; readonly control: string };
	/** One for each of the vm's shared directories, in their order. */
	readonly shares: readonly (SharedDirectory & { readonly socket: string })[];
}

/**
 * What a guest may send on a connection before the host has taken it. The default of 64 KiB makes an emulated guest wait so
 * often that it costs a fifth of its output; with 1 MiB a guest's credit was seen to stop at 256 KiB.
 */
const outputBufferBytes = 256 * 1024;

/** Throws BootFailed where the host has no image for the vm, no TAP that it must have, or too long a path for a socket. */
export function toParts(vm: VmConfig, facts: HostFacts, control: string): PlanParts {
	const at = (name: string): string => {
		const path = `${facts.runtimeDirectory}/${vm.name}/${name}`;
		checkSocketPath(path);
		return path;
	};
	return {
		vm,
		boot: toBootFiles(vm, facts),
		network: toNetworkKind(vm, facts),
		tap: toTapName(vm),
		// The longest of them is the second: also with the port of a connection, "vsock_4294967295" has no more characters.
		sockets: { vsock: at(vmFiles.vsock), vhostVsock: at(vmFiles.vhostVsock), control: at(control) },
		shares: vm.sharedDirectories.map((share) => ({ ...share, socket: at(`fs-${share.tag}.sock`) })),
	};
}

/** The plan but for its vmm and what only one driver needs. `programs`: those that it starts besides the helpers'. */
export function toPlan(
	parts: PlanParts,
	facts: HostFacts,
	own: Pick<LaunchPlan, "hypervisor" | "vmm" | "control" | "emptyDirectory" | "wayland" | "makesNamespaces">,
): LaunchPlan {
	const { vm, sockets } = parts;
	const helpers = toHelpers(parts, facts);
	const programs = new Set([own.vmm, ...helpers].map(({ argv }) => argv[0]));
	return {
		vm: vm.name,
		base: vm.instanceOf?.name ?? null,
		id: vm.id,
		directory: `${facts.runtimeDirectory}/${vm.name}`,
		helpers,
		...own,
		// Not `vsock_5001`: the broker listens there before the start.
		stale: [sockets.vsock, ...helpers.map(({ socket }) => socket), sockets.control],
		vsock: sockets.vsock,
		requires: [
			...toRequirements(parts, facts, [...programs]),
			...(own.wayland === null ? [] : [{ kind: "wayland", path: own.wayland.path } as const]),
		],
		limits: { memoryMaxMiB: vm.memoryMaxMiB ?? null, cpuWeight: vm.cpuWeight ?? null },
		dependsOn: vm.dependsOn,
		stopWithinMs: Object.values(vm.shutdown).reduce((sum, ms) => sum + ms, 0),
		opensInternetSockets: vm.network,
	};
}

/** For a program that the plan can't do without. */
export function need(program: string | undefined, name: string, remedy: string): string {
	if (program !== undefined) return program;
	throw new QubesLiteError("BootFailed", `${name} is not installed`, { remedy });
}

function toBootFiles(vm: VmConfig, { image }: HostFacts): BootFiles {
	const { kernel = image?.kernel, initramfs = image?.initramfs } = vm;
	const root = vm.rootDisk ?? (image === null ? undefined : { path: image.root, readOnly: true, id: rootDiskId });
	if (kernel !== undefined && initramfs !== undefined && root !== undefined) return { kernel, initramfs, root };
	throw new QubesLiteError("BootFailed", `there is no guest image for ${vm.name}`, {
		remedy: "qubes-lite image build",
	});
}

function toHelpers({ vm, sockets, shares }: PlanParts, facts: HostFacts): LaunchHelper[] {
	const { binaries, user } = facts;
	const vsock = need(
		binaries.vhostDeviceVsock,
		"vhost-device-vsock",
		"qubes-lite image build   # gets it from Debian, or says what else helps",
	);
	return [
		{
			name: "vhost-device-vsock",
			// Queue sizes stay the defaults: either vmm's side has at most 256 descriptors, the daemon's queue of 1024 holds them.
			argv: [
				vsock,
				...["--guest-cid", String(vm.id), "--socket", sockets.vhostVsock, "--uds-path", sockets.vsock],
				...["--tx-buffer-size", String(outputBufferBytes)],
			],
			socket: sockets.vhostVsock,
			isVital: true,
		},
		...shares.map(({ socket, ...share }): LaunchHelper => {
			const virtiofsd = need(
				binaries.virtiofsd,
				"virtiofsd 1.13 or newer, which sharedDirectories need,",
				"qubes-lite image build   # gets it from Debian, or says what else helps",
			);
			// crosvm asks it for the tag. QEMU is told itself, and of 7.1 to 8.0 it crashes where virtiofsd offers one (its --help).
			const tag = vm.hypervisor === "crosvm" ? share.tag : null;
			return {
				name: `virtiofsd-${share.tag}`,
				argv: [virtiofsd, ...toVirtiofsdWords(share, socket, user, tag)],
				socket,
				isVital: true,
			};
		}),
		...toDisplayHelper(vm, facts, `${facts.runtimeDirectory}/${vm.name}`),
	];
}

function toRequirements(parts: PlanParts, facts: HostFacts, programs: readonly string[]): HostRequirement[] {
	const { vm, boot, network, tap } = parts;
	const own = vm.rootDisk === undefined ? [] : [vm.rootDisk];
	const image = [boot.kernel, boot.initramfs, ...(vm.rootDisk === undefined ? [boot.root.path] : [])];
	return [
		{ kind: facts.accelerator },
		...(network === "tap" ? [{ kind: network, name: tap } as const] : []),
		// An instance that has none in the pool could have had one, had it been made later.
		...(network !== "tap" && vm.network && vm.instanceOf === undefined ? [{ kind: "no-tap", name: tap } as const] : []),
		...programs.map((path) => ({ kind: "program", path }) as const),
		...image.map((path) => ({ kind: "file", path }) as const),
		...[...own, ...vm.disks].map(({ path }) => ({ kind: "disk", path }) as const),
		// crosvm looks for itself what an image is.
		...(vm.hypervisor === "crosvm"
			? [...own, ...vm.disks].map(({ path }) => ({ kind: `${toFormat(path)}-image`, path }) as const)
			: []),
		...vm.sharedDirectories.map(
			({ path, readOnly }) => ({ kind: readOnly ? "read-only-directory" : "directory", path }) as const,
		),
	];
}

/** Never guessed from the content, which the guest writes: a raw disk could pass for a qcow2 with any file of the host behind it. */
export function toFormat(path: string): "qcow2" | "raw" {
	return path.endsWith(".qcow2") ? "qcow2" : "raw";
}

function checkSocketPath(path: string): void {
	const bytes = Buffer.byteLength(path);
	if (bytes <= socketPathMaxBytes) return;
	throw new QubesLiteError(
		"BootFailed",
		`the socket path ${path} has ${bytes} bytes, a Unix socket takes ${socketPathMaxBytes}`,
		{ remedy: "set XDG_RUNTIME_DIR to a shorter path, as logind does with /run/user/<uid>" },
	);
}

/** Of an instance: its own in the pool. */
function toTapName({ id, name, instanceOf }: VmConfig): string {
	const poolId = instanceOf === undefined ? null : poolIdOf(id);
	return poolId === null ? toVmTap(name) : toPoolTap(poolId);
}

function toNetworkKind(vm: VmConfig, facts: HostFacts): NetworkKind {
	if (!vm.network) return "none";
	const { userNetwork, title } = capabilities[vm.hypervisor];
	// A TAP has the address of one vm; each user-mode network is a world of its own, where an instance can have its base's.
	if (vm.instanceOf !== undefined && poolIdOf(vm.id) === null) return userNetwork ? "user" : "none";
	const tap = toTapName(vm);
	if (facts.taps.includes(tap)) return "tap";
	if (vm.instanceOf !== undefined) {
		throw new QubesLiteError("BootFailed", `the TAP ${tap} of disposablePool, which ${vm.name} was given, is gone`, {
			remedy: toTapRemedy(),
		});
	}
	if (userNetwork) return "user";
	throw new QubesLiteError(
		"BootFailed",
		`${vm.name} has a network, and for that ${title} needs the TAP ${tap}, which is not there`,
		{ remedy: `${toTapRemedy(vm.name)}   # or "network": false` },
	);
}
