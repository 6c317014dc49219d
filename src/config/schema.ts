/**
 * The configuration: its JSON as a schema, and what the program gets of it. Each message is the phrase that ends
 * "expected …"; a limit has its reason beside it. Repeated ids and names are the loader's, as they concern two vms.
 */
import * as v from "valibot";
import { type VmColor, vmColors } from "../protocol/colors.ts";
import { type Disk, disks, maxDisksAndShares, rootDisk } from "./disks.ts";
import { type DisplayKind, display, type SoundKind, sound } from "./display.ts";
import { disposablePool, idSchema } from "./disposable-pool.ts";
import {
	type CrosvmSettings,
	crosvm,
	type Gpu,
	gpu,
	type Hypervisor,
	hypervisor,
	toCrosvmSettings,
} from "./hypervisor.ts";
import { type ImageWish, image } from "./image.ts";
import { isJsonObject } from "./json.ts";
import { kernelParams } from "./kernel-params.ts";
import { type Lifecycle, lifecycleEntries, toLifecycle } from "./lifecycle.ts";
import { absolutePath } from "./paths.ts";
import { open, type ProgramConfig, programs } from "./programs.ts";
import { disposableEnds } from "./settable.ts";
import { type SharedDirectory, sharedDirectories } from "./shared-directories.ts";
import { isInstanceName, isVmName, vmNameRule } from "./vm-name.ts";
import { wholeNumber } from "./whole-number.ts";

export interface VmConfig extends Lifecycle {
	/** Odd, 3 to 255: the vsock CID, and the last byte of the guest's address. */
	readonly id: number;
	readonly name: string;
	readonly memoryMiB: number;
	/** What all processes of the vm on the host may use; no limit if absent. */
	readonly memoryMaxMiB?: number;
	/** The vm's share of the processors, 1 to 10000; 100, as everybody has, if absent. */
	readonly cpuWeight?: number;
	readonly cpus: number;
	/** False: the vm has no network interface at all. */
	readonly network: boolean;
	readonly autoStart: boolean;
	/** So many disposable instances of it are kept booted and paused, for whoever asks. */
	readonly preload: number;
	/** The guest's vdb, vdc, … */
	readonly disks: readonly Disk[];
	readonly sharedDirectories: readonly SharedDirectory[];
	/** Absolute path of a guest image's directory, or which packages its image is to have; without it the default image. */
	readonly image?: string | ImageWish;
	/** Each in the place of the image's, absolute. */
	readonly kernel?: string;
	readonly initramfs?: string;
	readonly rootDisk?: Disk;
	/** On the kernel's command line, after ours. */
	readonly kernelParams: readonly string[];
	readonly hypervisor: Hypervisor;
	readonly gpu: Gpu;
	readonly display: DisplayKind;
	readonly sound: SoundKind;
	/** Where crosvm runs it. */
	readonly crosvm: CrosvmSettings;
	/** The colour by which people know it. */
	readonly color?: VmColor;
	/** What of the guest's the host's menu shows besides what the guest reports. */
	readonly programs: readonly ProgramConfig[];
	/** The guest's command that opens what is named behind it. */
	readonly open: readonly string[];
	/**
	 * Never in a file: this is a fresh instance of a configured vm, of an id beyond theirs, for one use. null: which vm, is
	 * no longer known, since another broker has started it.
	 */
	readonly instanceOf?: { readonly name: string; readonly id: number } | null;
}

export interface Config {
	/** Who owns the TAPs; matters to the NixOS module and `qubes-lite host tap` only. */
	readonly user?: string;
	/** "A.B.C.0/24". */
	readonly vmNetwork: string;
	/** Who keeps the vms; "auto" is systemd where its user manager is to be had. */
	readonly supervisor: "auto" | "systemd" | "direct";
	/** Whether the desktop is told of what happens to vms. */
	readonly notifications: boolean;
	/** Ids whose TAPs `ql-d<id>` are for instances of networked vms. */
	readonly disposablePool?: { readonly ids: readonly number[] };
	/** Menu entries are kept up to date by the broker and `install`; else `qubes-lite desktop sync` alone makes them. */
	readonly desktop: boolean;
	readonly vms: readonly VmConfig[];
}

/** Unit files are `qubes-lite-<name>.service`, so this name is the broker's own. */
const brokerName = "broker";

function checkedString(isGood: (value: string) => boolean, expected: string) {
	return v.pipe(v.string(expected), v.check(isGood, expected));
}

/** Ids are the last byte, hence /24; a base that no host may have (this net, loopback, multicast and above) is a slip. */
function isVmNetwork(value: string): boolean {
	const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.0\/24$/.exec(value);
	if (match === null) return false;
	const octets = match.slice(1).map(Number);
	if (octets.some((octet, index) => octet > 255 || String(octet) !== match[index + 1])) return false;
	const [first = 0] = octets;
	return first > 0 && first < 224 && first !== 127;
}

const boolean = v.boolean("true or false");

const memoryLeastMiB = 128;

export const vmEntries = {
	// 256 and more is no last byte of an address; even ids would overlap their neighbour's /31; 1 and 2 are CIDs of others.
	id: idSchema,
	name: v.pipe(
		checkedString(isVmName, vmNameRule),
		v.check(
			(name) => name !== brokerName && !isInstanceName(name),
			"another name: this one is kept for the broker or a disposable's instance",
		),
	),
	// Less does not boot. Measured with the built image, one `run-in-vm VM true` each, without KVM: with 64 MiB the kernel
	// panics, with 80 its agent does not come to its hello, 96 works with 1 MiB to spare. A tebibyte more likely means that somebody wrote bytes or KiB.
	memory: v.optional(wholeNumber(memoryLeastMiB, 1_048_576, "a whole number of MiB"), 1024),
	// The same bound, and room for what QEMU and its helper use beside the guest's memory (the check below).
	memoryMax: v.optional(wholeNumber(memoryLeastMiB, 2_097_152, "a whole number of MiB")),
	// cgroup v2's range of cpu.weight.
	cpuWeight: v.optional(wholeNumber(1, 10_000, "a whole number")),
	// 255 is the most that QEMU's q35 takes without an IOMMU. What the host has is not known here.
	cpus: v.optional(wholeNumber(1, 255, "a whole number"), 2),
	network: v.optional(boolean, true),
	autoStart: v.optional(boolean, false),
	// Each takes its memory; checkPreload looks at the host's.
	preload: v.optional(wholeNumber(0, 8, "a whole number"), 0),
	disks,
	sharedDirectories,
	...lifecycleEntries,
	image,
	kernel: v.optional(absolutePath),
	initramfs: v.optional(absolutePath),
	rootDisk,
	kernelParams,
	hypervisor: v.optional(hypervisor),
	gpu,
	display,
	sound,
	crosvm,
	color: v.optional(v.picklist(vmColors, `one of ${vmColors.join(", ")}`)),
	programs,
	open,
};

/** Of the host's memory, beside the guest's: the vmm and its helper do not run in less. */
const vmmMemoryMiB = 256;

const jsonObject = v.custom<object>(isJsonObject, "an object");

const vmSchema = v.pipe(
	jsonObject,
	v.strictObject(vmEntries),
	v.forward(
		v.partialCheck(
			[["memory"], ["memoryMax"]],
			({ memory, memoryMax }) => memoryMax === undefined || memoryMax >= memory + vmmMemoryMiB,
			`at least memory and ${vmmMemoryMiB} MiB for the vmm itself, or the vm would be killed`,
		),
		["memoryMax"],
	),
	v.forward(
		v.partialCheck(
			[["disposable"], ["idleAction"]],
			({ disposable, idleAction }) => !disposable || idleAction === "stop",
			`"stop": ${disposableEnds}`,
		),
		["idleAction"],
	),
	v.forward(
		v.partialCheck(
			[["disposable"], ["rebootAction"]],
			({ disposable, rebootAction }) => !disposable || rebootAction === "stop",
			`"stop": ${disposableEnds}, and when it reboots`,
		),
		["rebootAction"],
	),
	v.forward(
		v.partialCheck(
			[["preload"], ["disks"]],
			({ preload, disks }) => preload === 0 || disks.length === 0,
			"0: instances of a vm with disks can't be made",
		),
		["preload"],
	),
	v.forward(
		v.partialCheck(
			[["disks"], ["sharedDirectories"]],
			({ disks, sharedDirectories }) => disks.length + sharedDirectories.length <= maxDisksAndShares,
			`at most ${maxDisksAndShares} disks and shared directories together`,
		),
		["disks"],
	),
	v.forward(
		v.partialCheck(
			[["preload"], ["rootDisk"]],
			({ preload, rootDisk }) => preload === 0 || rootDisk === undefined || rootDisk.readOnly,
			"0: instances of a vm whose root disk is written to can't be made",
		),
		["preload"],
	),
);

type ParsedVm = v.InferOutput<typeof vmSchema>;
type ParsedFile = Pick<v.InferOutput<v.ObjectSchema<typeof configEntries, undefined>>, "hypervisor" | "crosvm">;

const toVm = (vm: ParsedVm, file: ParsedFile): VmConfig => ({
	...{ id: vm.id, name: vm.name, memoryMiB: vm.memory, cpus: vm.cpus, network: vm.network },
	...{ autoStart: vm.autoStart, preload: vm.preload, disks: vm.disks, sharedDirectories: vm.sharedDirectories },
	...toLifecycle(vm),
	...(vm.memoryMax !== undefined && { memoryMaxMiB: vm.memoryMax }),
	...(vm.cpuWeight !== undefined && { cpuWeight: vm.cpuWeight }),
	...(vm.image !== undefined && { image: vm.image }),
	...(vm.kernel !== undefined && { kernel: vm.kernel }),
	...(vm.initramfs !== undefined && { initramfs: vm.initramfs }),
	...(vm.rootDisk !== undefined && { rootDisk: vm.rootDisk }),
	...(vm.color !== undefined && { color: vm.color }),
	...{ kernelParams: vm.kernelParams, hypervisor: vm.hypervisor ?? file.hypervisor, gpu: vm.gpu },
	...{ display: vm.display, sound: vm.sound },
	...{ crosvm: toCrosvmSettings(file.crosvm, vm.crosvm), programs: vm.programs, open: vm.open },
});

export const configEntries = {
	$schema: v.optional(v.string("a string")),
	version: v.literal(1, "1, the version of this format"),
	// 256 bytes is the most that useradd takes; directory services have names with "\" and "@".
	user: v.optional(checkedString((user) => /^[^\p{C}\s:/]{1,256}$/u.test(user), "the name of a user")),
	vmNetwork: v.optional(checkedString(isVmNetwork, 'an IPv4 network "A.B.C.0/24"'), "172.16.200.0/24"),
	supervisor: v.optional(v.picklist(["auto", "systemd", "direct"], '"auto", "systemd" or "direct"'), "auto"),
	notifications: v.optional(v.boolean("true or false"), true),
	disposablePool: v.optional(disposablePool),
	/** Of the vms that name none of their own. */
	hypervisor: v.optional(hypervisor, "qemu"),
	crosvm,
	desktop: v.optional(boolean, true),
	// As many as there are ids.
	vms: v.pipe(v.array(vmSchema, "a list of vms"), v.maxLength(127, "at most 127 vms")),
};

export const configSchema = v.pipe(
	jsonObject,
	v.strictObject(configEntries),
	v.transform(
		({ user, vmNetwork, supervisor, notifications, disposablePool, desktop, vms, ...file }): Config => ({
			...(user !== undefined && { user }),
			vmNetwork,
			supervisor,
			notifications,
			...(disposablePool !== undefined && { disposablePool }),
			desktop,
			vms: vms.map((vm) => toVm(vm, file)),
		}),
	),
);
