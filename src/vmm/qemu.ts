/**
 * QEMU's driver: a vm and the facts of the host in, a launch plan out. Pure; every flag was tried on QEMU 7.2.
 *
 * Threats, in short. The guest sees few devices, QEMU may not start programs or gain rights (-sandbox). A TAP leaves
 * to the host's firewall what the guest may reach. **User-mode network does not**: QEMU opens the guest's connections
 * as the user, so it reaches what the user's own programs reach, services on the host's 127.0.0.1 included (measured:
 * by the gateway's address, and by 127.0.0.1 itself in a packet of its own making). QEMU has no option against it:
 * restrict=on cuts everything off. It is the fallback for hosts without TAPs.
 */
import {
	poolIdOf,
	toAddresses,
	toAddressId,
	toPoolTap,
	toTapRemedy,
	toVmTap,
	type VmAddresses,
} from "../config/addresses.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { type HostRequirement, type LaunchPlan, socketPathMaxBytes, vmFiles } from "../launch-plan.ts";
import type { HostFacts } from "./host-facts.ts";
import { type NetworkKind, toKernelCommandLine } from "./kernel-command-line.ts";

/**
 * What a guest may send on a connection before the host has taken it. The default of 64 KiB makes an emulated guest wait so
 * often that it costs a fifth of its output; with 1 MiB a guest's credit was seen to stop at 256 KiB.
 */
const outputBufferBytes = 256 * 1024;

/** The plan for `vm`. Throws BootFailed where a program is missing or the runtime directory's path is too long. */
export function planQemu(config: Config, vm: VmConfig, facts: HostFacts): LaunchPlan {
	const { qemu, vhostDeviceVsock } = facts.binaries;
	if (qemu === undefined) {
		throw new QubesLiteError("BootFailed", "qemu-system-x86_64 is not installed", {
			remedy: "sudo apt-get install qemu-system-x86",
		});
	}
	if (vhostDeviceVsock === undefined) {
		throw new QubesLiteError("BootFailed", "vhost-device-vsock is not installed", {
			remedy: "qubes-lite image build   # gets it from Debian, or says what else helps",
		});
	}
	const directory = `${facts.runtimeDirectory}/${vm.name}`;
	const vsock = `${directory}/${vmFiles.vsock}`;
	const vhostVsock = `${directory}/${vmFiles.vhostVsock}`;
	const qmp = `${directory}/${vmFiles.qmp}`;
	// The longest of them: also with the port of a connection, "vsock_4294967295" has no more characters.
	checkSocketPath(vhostVsock);
	return {
		vm: vm.name,
		base: vm.instanceOf?.name ?? null,
		id: vm.id,
		hypervisor: "qemu",
		directory,
		helpers: [
			{
				name: "vhost-device-vsock",
				// Queue sizes stay the defaults: QEMU's side has 128 descriptors, the daemon's queue of 1024 holds them.
				argv: [
					vhostDeviceVsock,
					...["--guest-cid", String(vm.id), "--socket", vhostVsock, "--uds-path", vsock],
					...["--tx-buffer-size", String(outputBufferBytes)],
				],
				socket: vhostVsock,
			},
		],
		vmm: { name: "qemu", argv: [qemu, ...toArguments(config, vm, facts, { vhostVsock, qmp })] },
		// Not `vsock_5001`: the broker listens there before the start.
		stale: [vsock, vhostVsock, qmp],
		vsock,
		control: { kind: "qmp", path: qmp },
		requires: toRequirements(vm, facts, [qemu, vhostDeviceVsock]),
		limits: { memoryMaxMiB: vm.memoryMaxMiB ?? null, cpuWeight: vm.cpuWeight ?? null },
		dependsOn: vm.dependsOn,
		stopWithinMs: Object.values(vm.shutdown).reduce((sum, ms) => sum + ms, 0),
		opensInternetSockets: vm.network,
	};
}

function toRequirements(vm: VmConfig, facts: HostFacts, programs: readonly string[]): HostRequirement[] {
	const { kernel, initramfs, root } = facts.image;
	const kind = toNetworkKind(vm, facts);
	return [
		{ kind: facts.accelerator },
		...(kind === "tap" ? [{ kind, name: toTapName(vm) } as const] : []),
		// An instance that has none in the pool could have had one, had it been made later.
		...(kind === "user" && vm.instanceOf === undefined ? [{ kind: "no-tap", name: toTapName(vm) } as const] : []),
		...programs.map((path) => ({ kind: "program", path }) as const),
		...[kernel, initramfs, root].map((path) => ({ kind: "file", path }) as const),
		...vm.disks.map((path) => ({ kind: "disk", path }) as const),
	];
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

function toArguments(
	config: Config,
	vm: VmConfig,
	facts: HostFacts,
	sockets: { readonly vhostVsock: string; readonly qmp: string },
): string[] {
	const network = toNetworkKind(vm, facts);
	const memory = `${vm.memoryMiB}M`;
	return [
		// The process's name has 15 bytes at most (TASK_COMM_LEN, prctl(2)).
		...["-name", toOption(`qubes-lite-${vm.name}`, { process: `ql-${vm.name}` })],
		...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
		// spawn=deny is possible because TAPs come ready made: no script to run.
		...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
		...(facts.accelerator === "kvm" ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg"]),
		...["-smp", `cpus=${vm.cpus}`, "-m", memory],
		// vhost-device-vsock maps the guest's memory, hence a shared memfd.
		...["-object", toOption("memory-backend-memfd", { id: "memory", size: memory, share: "on" })],
		// Nothing that the guest has no use for: no SATA, SMBus, keyboard controller, VMware port.
		...["-machine", "q35,memory-backend=memory,sata=off,smbus=off,i8042=off,vmport=off"],
		// An uncompressed vmlinux starts by its PVH entry point. These three are plain words, not option lists.
		...["-kernel", facts.image.kernel, "-initrd", facts.image.initramfs],
		...["-append", toKernelCommandLine(config, vm, { accelerator: facts.accelerator, network })],
		// Standard output, whatever it is: "file,path=/dev/stdout" can't open a socket, which journald's and Node's are.
		// Standard input is what is typed on it. signal=off: no key of ours sends signals.
		...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
		...["-chardev", toOption("socket", { id: "qmp", path: sockets.qmp, server: "on", wait: "off" })],
		...["-mon", "chardev=qmp,mode=control"],
		...toDisk("vda", { file: facts.image.root, format: "raw", readonly: "on" }),
		...vm.disks.flatMap((file, index) => toDisk(toDiskName(index + 1), { file, format: toFormat(file) })),
		...["-chardev", toOption("socket", { id: "vsock", path: sockets.vhostVsock })],
		...["-device", "vhost-user-vsock-pci,chardev=vsock", "-device", "virtio-rng-pci"],
		...toNetwork(network, toAddresses(config.vmNetwork, toAddressId(vm)), toTapName(vm)),
	];
}

/** Of an instance: its own in the pool. */
function toTapName({ id, name, instanceOf }: VmConfig): string {
	const poolId = instanceOf === undefined ? null : poolIdOf(id);
	return poolId === null ? toVmTap(name) : toPoolTap(poolId);
}

function toNetworkKind(vm: VmConfig, facts: HostFacts): NetworkKind {
	if (!vm.network) return "none";
	// A TAP has the address of one vm; each user-mode network is a world of its own, where an instance can have its base's.
	if (vm.instanceOf !== undefined && poolIdOf(vm.id) === null) return "user";
	const tap = toTapName(vm);
	if (facts.taps.includes(tap)) return "tap";
	if (vm.instanceOf === undefined) return "user";
	throw new QubesLiteError("BootFailed", `the TAP ${tap} of disposablePool, which ${vm.name} was given, is gone`, {
		remedy: toTapRemedy(),
	});
}

function toNetwork(kind: NetworkKind, addresses: VmAddresses, tap: string): string[] {
	// With -nodefaults there is no network interface unless one is named.
	if (kind === "none") return [];
	// An empty romfile: nobody boots from the network, and the firmware need not load code for it.
	const device = toOption("virtio-net-pci", { netdev: "net", mac: addresses.mac, romfile: "" });
	const netdev =
		kind === "tap"
			? toOption("tap", { id: "net", ifname: tap, script: "no", downscript: "no" })
			: toOption("user", {
					id: "net",
					net: `${addresses.guest}/${toUserPrefix(addresses.guest)}`,
					host: addresses.host,
					dns: addresses.dns,
					ipv6: "off",
				});
	return ["-netdev", netdev, "-device", device];
}

/**
 * The prefix of the user-mode network: /24, or as much shorter as it takes for the guest not to be its broadcast
 * address, to which TCP can't answer. Only id 255 needs that; measured with 255: /24 pings but no TCP, /23 both.
 */
function toUserPrefix(guest: string): number {
	const address = guest.split(".").reduce((bits, octet) => (bits << 8) | Number(octet), 0);
	const lowestZeroBit = ~address & (address + 1);
	return Math.min(24, Math.clz32(lowestZeroBit));
}

/** -drive, as -blockdev would have to be told whether the path is a file or a block device. The guest calls it by the same name. */
function toDisk(name: string, options: { readonly file: string; readonly format: string; readonly readonly?: "on" }) {
	return [
		...["-drive", toOption("if=none", { id: name, ...options })],
		...["-device", toOption("virtio-blk-pci", { drive: name })],
	];
}

/** vda, vdb, … vdy: the schema allows 24 disks beside the root image. */
function toDiskName(index: number): string {
	return `vd${String.fromCharCode("a".charCodeAt(0) + index)}`;
}

/** Never guessed from the content, which the guest writes: a raw disk could pass for a qcow2 with any file of the host behind it. */
function toFormat(path: string): "qcow2" | "raw" {
	return path.endsWith(".qcow2") ? "qcow2" : "raw";
}

/** `head,key=value,…` for QEMU's option parser, which reads two commas in a value as one (qemu-options: "-drive"). */
function toOption(head: string, values: Readonly<Record<string, string>>): string {
	return [head, ...Object.entries(values).map(([key, value]) => `${key}=${value.replaceAll(",", ",,")}`)].join(",");
}
