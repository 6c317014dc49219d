/**
 * QEMU's driver: a vm and the facts of the host in, a launch plan out. Pure; every flag was tried on QEMU 7.2.
 *
 * Threats, in short. The guest sees few devices, QEMU may not start programs or gain rights (-sandbox). A TAP leaves
 * to the host's firewall what the guest may reach. **User-mode network does not**: QEMU opens the guest's connections
 * as the user, so it reaches what the user's own programs reach, services on the host's 127.0.0.1 included (measured:
 * by the gateway's address, and by 127.0.0.1 itself in a packet of its own making). QEMU has no option against it:
 * restrict=on cuts everything off. It is the fallback for hosts without TAPs.
 */
import { toAddresses, toAddressId, type VmAddresses } from "../config/addresses.ts";
import type { Disk } from "../config/disks.ts";
import type { Config } from "../config/schema.ts";
import { vmFiles } from "../launch-plan.ts";
import type { Argument, VmmDriver } from "./driver.ts";
import type { HostFacts } from "./host-facts.ts";
import { toKernelWords } from "./kernel-command-line.ts";
import { type NetworkKind, need, type PlanParts, toFormat, toParts, toPlan } from "./plan-parts.ts";

export const qemuDriver: VmmDriver = {
	plan(config, vm, facts) {
		const parts = toParts(vm, facts, vmFiles.qmp);
		const qemu = need(facts.binaries.qemu, "qemu-system-x86_64", "sudo apt-get install qemu-system-x86");
		const words = toArguments(config, parts, facts).flatMap((argument) => argument.words);
		return toPlan(parts, facts, {
			hypervisor: "qemu",
			vmm: { name: "qemu", argv: [qemu, ...words] },
			control: { kind: "qmp", path: parts.sockets.control },
			emptyDirectory: null,
			wayland: null,
			makesNamespaces: vm.sharedDirectories.length > 0,
		});
	},
	explain: (config, vm, facts) => toArguments(config, toParts(vm, facts, vmFiles.qmp), facts),
	toEnd(code, signal) {
		if (signal !== null) return { kind: "failed", sentence: `was ended by ${signal}` };
		// With -no-reboot a reboot ends it as well, and in the same way.
		return code === 0 ? { kind: "poweredOff" } : { kind: "failed", sentence: `ended with status ${code}` };
	},
};

function toArguments(config: Config, parts: PlanParts, facts: HostFacts): Argument[] {
	const { vm, boot, network, tap, sockets } = parts;
	const { accelerator, nameServer } = facts;
	const memory = `${vm.memoryMiB}M`;
	const kernelWords = toKernelWords(config, vm, {
		accelerator,
		nameServer,
		network,
		root: boot.root,
		hypervisor: "qemu",
	});
	return [
		// The process's name has 15 bytes at most (TASK_COMM_LEN, prctl(2)).
		say("its name, also among the processes", "-name", toOption(`qubes-lite-${vm.name}`, { process: `ql-${vm.name}` })),
		say("no device and no file but those that are named here", "-nodefaults", "-no-user-config"),
		say("a reboot, and so a panic, ends it", "-no-reboot"),
		say("no window of QEMU's own", "-display", "none"),
		// spawn=deny is possible because TAPs come ready made: no script to run.
		say(
			"QEMU may start no programs and gain no rights",
			...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
		),
		accelerator === "kvm"
			? say("guests run on the processor itself", "-accel", "kvm", "-cpu", "host")
			: say("an emulated processor: the host has no KVM", "-accel", "tcg"),
		say('"cpus"', "-smp", `cpus=${vm.cpus}`),
		say('"memory", MiB', "-m", memory),
		say(
			"memory that the helpers can map as well",
			...["-object", toOption("memory-backend-memfd", { id: "memory", size: memory, share: "on" })],
		),
		say(
			"nothing that the guest has no use for: no SATA, SMBus, keyboard controller, VMware port",
			...["-machine", "q35,memory-backend=memory,sata=off,smbus=off,i8042=off,vmport=off"],
		),
		// An uncompressed vmlinux starts by its PVH entry point. These three are plain words, not option lists.
		say("the kernel", "-kernel", boot.kernel),
		say("what the kernel begins with", "-initrd", boot.initramfs),
		say(
			["kernel:", ...kernelWords.map(({ word, why }) => `  ${word}: ${why}`)].join("\n"),
			...["-append", kernelWords.map(({ word }) => word).join(" ")],
		),
		// Standard output, whatever it is: "file,path=/dev/stdout" can't open a socket, which journald's and Node's are.
		// Standard input is what is typed on it. signal=off: no key of ours sends signals.
		say(
			"the guest's console is standard output, and what is typed on it standard input",
			...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
		),
		say(
			"its control socket: power button, pause, resume",
			...["-chardev", toOption("socket", { id: "qmp", path: sockets.control, server: "on", wait: "off" })],
			...["-mon", "chardev=qmp,mode=control"],
		),
		toDisk("vda", "its root disk, vda", boot.root),
		...vm.disks.map((disk, index) => toDisk(toDiskName(index + 1), `"disks", number ${index + 1}`, disk)),
		...parts.shares.map(({ tag, socket }) =>
			say(
				`"sharedDirectories": ${tag}, served by virtiofsd`,
				...["-chardev", toOption("socket", { id: `fs-${tag}`, path: socket })],
				...["-device", toOption("vhost-user-fs-pci", { chardev: `fs-${tag}`, tag })],
			),
		),
		say(
			"vsock, by which broker, client and agent speak; served by vhost-device-vsock",
			...["-chardev", toOption("socket", { id: "vsock", path: sockets.vhostVsock })],
			...["-device", "vhost-user-vsock-pci,chardev=vsock"],
		),
		say("the host's random numbers", "-device", "virtio-rng-pci"),
		...toNetwork(network, toAddresses(config.vmNetwork, toAddressId(vm)), tap),
	];
}

const say = (why: string, ...words: readonly string[]): Argument => ({ why, words });

function toNetwork(kind: NetworkKind, addresses: VmAddresses, tap: string): Argument[] {
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
	const why = kind === "tap" ? "the host's TAP" : "QEMU speaks TCP and UDP for the guest: the host has no TAP for it";
	return [say(`"network": ${why}, and a MAC that follows from the id`, "-netdev", netdev, "-device", device)];
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
function toDisk(name: string, why: string, { path, readOnly, id }: Disk): Argument {
	const options = { id: name, file: path, format: toFormat(path), ...(readOnly ? { readonly: "on" } : {}) };
	return say(
		`${why}${readOnly ? ", read-only" : ""}`,
		...["-drive", toOption("if=none", options)],
		...["-device", toOption("virtio-blk-pci", { drive: name, serial: id })],
	);
}

/** vda, vdb, … vdy: the schema allows 24 disks beside the root image. */
function toDiskName(index: number): string {
	return `vd${String.fromCharCode("a".charCodeAt(0) + index)}`;
}

/** `head,key=value,…` for QEMU's option parser, which reads two commas in a value as one (qemu-options: "-drive"). */
function toOption(head: string, values: Readonly<Record<string, string>>): string {
	return [head, ...Object.entries(values).map(([key, value]) => `${key}=${value.replaceAll(",", ",,")}`)].join(",");
}
