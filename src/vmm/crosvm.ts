/**
 * crosvm's driver: a vm and the facts of the host in, a launch plan out. Pure. Facts are of crosvm's source at f1e797a68dad
 * (August 2026). Its order is ours: global flags, what it is called, processors and memory, disks, devices, console, kernel.
 *
 * Threats, in short. Each of crosvm's devices runs in a process of its own without the user's files (its sandbox), where the host has
 * user namespaces and the vm does not say otherwise. **crosvm believes what a disk's content says of its format**, and a guest
 * writes that: the plan requires of each disk that it is what its name says, which is looked at before each start.
 */
import { toAddresses, toAddressId } from "../config/addresses.ts";
import type { Disk } from "../config/disks.ts";
import type { Gpu } from "../config/hypervisor.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { type LaunchPlan, vmFiles } from "../launch-plan.ts";
import { toCrosvmEnd } from "./crosvm-end.ts";
import { type KeyValue, toKeyValues } from "./crosvm-values.ts";
import type { Argument, VmmDriver } from "./driver.ts";
import type { HostFacts } from "./host-facts.ts";
import { toKernelWords } from "./kernel-command-line.ts";
import { need, type PlanParts, toParts, toPlan } from "./plan-parts.ts";

/** What vhost-device-vsock takes: it drops a front end that asks for more than 1024, and crosvm's own choice is 32768. */
const vsockQueueSize = 256;
/** The helper's socket is there before crosvm starts; on a host that swaps the helper may take a moment to serve it. */
const connectTimeoutMs = 5000;

/** "cross-domain" carries Wayland; "virgl2" draws, where crosvm was built with virglrenderer. */
const contextTypes: Readonly<Record<Exclude<Gpu, "auto" | "none">, string>> = {
	"cross-domain": "cross-domain",
	virgl: "cross-domain:virgl2",
};

export const crosvmDriver: VmmDriver = {
	plan(config, vm, facts) {
		const parts = toParts(vm, facts, vmFiles.crosvmControl);
		const program = toProgram(vm, facts);
		const gpu = toGpu(vm, facts);
		const words = toArguments(config, parts, facts, gpu).flatMap((argument) => argument.words);
		return toPlan(parts, facts, {
			hypervisor: "crosvm",
			vmm: { name: "crosvm", argv: [program, ...words] },
			control: { kind: "crosvm", path: parts.sockets.control, program },
			emptyDirectory: vm.crosvm.sandbox ? toEmptyDirectory(vm, facts) : null,
			wayland: gpu?.wayland ?? null,
			makesNamespaces: vm.crosvm.sandbox || vm.sharedDirectories.length > 0,
		});
	},
	explain: (config, vm, facts) =>
		toArguments(config, toParts(vm, facts, vmFiles.crosvmControl), facts, toGpu(vm, facts)),
	toEnd: toCrosvmEnd,
};

function toProgram({ name, crosvm }: VmConfig, { accelerator, binaries }: HostFacts): string {
	const program = need(
		crosvm.binary ?? binaries.crosvm,
		"crosvm",
		'name it as "crosvm": {"binary": "/path/to/crosvm"} in the configuration, or choose "hypervisor": "qemu"',
	);
	if (accelerator === "kvm") return program;
	throw new QubesLiteError("BootFailed", `crosvm runs ${name} by KVM alone, and /dev/kvm can't be used here`, {
		remedy: 'qubes-lite doctor   # says what is in the way; "hypervisor": "qemu" works without KVM',
	});
}

const toEmptyDirectory = (vm: VmConfig, { runtimeDirectory }: HostFacts): string =>
	`${runtimeDirectory}/${vm.name}/${vmFiles.empty}`;

interface ChosenGpu {
	readonly contextTypes: string;
	readonly wayland: NonNullable<LaunchPlan["wayland"]>;
}

/** null: the vm has no screen. */
function toGpu({ name, gpu, display }: VmConfig, { wayland }: HostFacts): ChosenGpu | null {
	if (gpu === "none" || (gpu === "auto" && (display === "none" || display === "waypipe"))) return null;
	if ("missing" in wayland) {
		if (gpu === "auto") return null;
		throw new QubesLiteError("BootFailed", `${name} requires a Wayland session: ${wayland.missing}`, {
			remedy: `start it from within the session, or let it go without one: "gpu": "auto"`,
		});
	}
	// --wayland-sock is PATH[,name=NAME], and nothing in it can be quoted.
	if (wayland.socket.includes(",")) {
		throw new QubesLiteError(
			"BootFailed",
			`crosvm takes no Wayland socket with a comma: WAYLAND_DISPLAY is ${wayland.socket}`,
			{
				remedy: `give the socket another name, or let the vm go without it: "gpu": "none"`,
			},
		);
	}
	return {
		contextTypes: contextTypes[gpu === "auto" ? "cross-domain" : gpu],
		wayland: { path: wayland.socket, isByName: wayland.isByName },
	};
}

function toArguments(config: Config, parts: PlanParts, facts: HostFacts, gpu: ChosenGpu | null): Argument[] {
	const { vm, boot, sockets } = parts;
	const { accelerator, nameServer } = facts;
	return [
		say("the exit status tells a reboot, a crash and a panic from a power-off", "--extended-status"),
		say("its words go to standard error, and from there to the vm's log, alone", "--no-syslog", "--log-level", "info"),
		say("the command that runs a vm", "run"),
		say("its name among the processes", "--name", vm.name),
		say("its control socket: power button, suspend, resume", "--socket", sockets.control),
		vm.crosvm.sandbox
			? say("what its sandboxed devices have as their root: nothing", "--pivot-root", toEmptyDirectory(vm, facts))
			: say('"crosvm": {"sandbox": false}: all devices in one process', "--disable-sandbox"),
		option('"cpus"', "--cpus", { "num-cores": vm.cpus }),
		option('"memory", MiB', "--mem", { size: vm.memoryMiB }),
		say("what the kernel begins with", "--initrd", boot.initramfs),
		toBlock("its root disk, vda", boot.root, { root: true }),
		...vm.disks.map((disk, index) => toBlock(`"disks", number ${index + 1}`, disk)),
		...parts.shares.map(({ tag, socket }) =>
			option(`"sharedDirectories": ${tag}, served by virtiofsd`, "--vhost-user", { type: "fs", socket }),
		),
		...toNetwork(config, parts),
		option("vsock, by which broker, client and agent speak; served by vhost-device-vsock", "--vhost-user", {
			...{ type: "vsock", socket: sockets.vhostVsock, "max-queue-size": vsockQueueSize },
		}),
		say("how long it tries to reach its helpers, ms", "--vhost-user-connect-timeout-ms", String(connectTimeoutMs)),
		...toScreen(gpu),
		option("the guest's console is standard output, and what is typed on it standard input", "--serial", {
			...{ type: "stdout", hardware: "serial", num: 1, console: true, stdin: true },
		}),
		say("memory that the guest has freed goes back to the host", "--balloon-page-reporting"),
		say("nobody plugs USB devices into it, and with them it could not be suspended as a whole", "--no-usb"),
		...(vm.crosvm.extraArgs.length === 0 ? [] : [say('"crosvm": {"extraArgs": …}', ...vm.crosvm.extraArgs)]),
		...toKernelWords(config, vm, {
			accelerator,
			nameServer,
			network: parts.network,
			root: boot.root,
			hypervisor: "crosvm",
		}).map(({ word, why }) => say(`kernel: ${why}`, "--params", word)),
		say("the kernel", boot.kernel),
	];
}

const say = (why: string, ...words: readonly string[]): Argument => ({ why, words });

const option = (why: string, name: string, values: Readonly<Record<string, KeyValue>>): Argument =>
	say(why, name, toKeyValues(values));

function toBlock(why: string, { path, readOnly, id }: Disk, more: Readonly<Record<string, KeyValue>> = {}): Argument {
	return option(`${why}${readOnly ? ", read-only" : ""}`, "--block", { path, ro: readOnly, ...more, id });
}

function toNetwork(config: Config, { vm, network, tap }: PlanParts): Argument[] {
	if (network !== "tap") return [];
	const { mac } = toAddresses(config.vmNetwork, toAddressId(vm));
	return [option('"network": the host\'s TAP, and a MAC that follows from the id', "--net", { "tap-name": tap, mac })];
}

function toScreen(gpu: ChosenGpu | null): Argument[] {
	if (gpu === null) return [];
	return [
		say(
			"a GPU by which the guest's windows reach the host's compositor, and no window of crosvm's own",
			"--gpu",
			`context-types=${gpu.contextTypes},displays=[[hidden=true]]`,
		),
		say("the compositor's socket, from WAYLAND_DISPLAY", "--wayland-sock", gpu.wayland.path),
	];
}
