/**
 * The configuration: its JSON as a schema, and what the program gets of it. Each message is the phrase that ends
 * "expected …"; a limit has its reason beside it. Repeated ids and names are the loader's, as they concern two vms.
 */
import * as v from "valibot";
import { isJsonObject } from "./json.ts";
import { isInstanceName, isVmName, vmNameRule } from "./vm-name.ts";

export interface VmConfig {
	/** Odd, 3 to 255: the vsock CID, and the last byte of the guest's address. */
	readonly id: number;
	readonly name: string;
	readonly memoryMiB: number;
	readonly cpus: number;
	/** False: the vm has no network interface at all. */
	readonly network: boolean;
	readonly autoStart: boolean;
	/** Absolute paths of images (raw, or qcow2 by their suffix) and block devices: the guest's vdb, vdc, … */
	readonly disks: readonly string[];
	/** True: shut down when its last lease goes, and whatever it wrote is gone. */
	readonly disposable: boolean;
	/** How long the vm stays without a lease; 0 is for ever. Whole seconds. */
	readonly idleTimeoutMs: number;
	/** How long a boot may take until the agent's hello. Whole seconds. */
	readonly bootTimeoutMs: number;
	/** Absolute path of a guest image's directory; without it the default image. */
	readonly image?: string;
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
	readonly vms: readonly VmConfig[];
}

/** Unit files are `qubes-lite-<name>.service`, so this name is the broker's own. */
const brokerName = "broker";

function wholeNumber(min: number, max: number, what: string) {
	const expected = `${what} from ${min} to ${max}`;
	return v.pipe(
		v.number(expected),
		v.check((value) => Number.isInteger(value) && value >= min && value <= max, expected),
	);
}

function checkedString(isGood: (value: string) => boolean, expected: string) {
	return v.pipe(v.string(expected), v.check(isGood, expected));
}

/** 4096 bytes is PATH_MAX. Control characters have no business in a path, and would break unit files and logs. */
function isAbsolutePath(value: string): boolean {
	return value.startsWith("/") && value.length < 4096 && !/\p{C}/u.test(value);
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
const absolutePath = checkedString(isAbsolutePath, "an absolute path without control characters");

/** QEMU's q35 has 30 free slots on its PCI bus; the root disk, vsock, random numbers and network take four. */
const maxDisks = 24;

export const vmEntries = {
	// 256 and more is no last byte of an address; even ids would overlap their neighbour's /31; 1 and 2 are CIDs of others.
	id: v.pipe(
		wholeNumber(3, 255, "an odd whole number"),
		v.check((id) => id % 2 === 1, "an odd whole number from 3 to 255"),
	),
	name: v.pipe(
		checkedString(isVmName, vmNameRule),
		v.check(
			(name) => name !== brokerName && !isInstanceName(name),
			"another name: this one is kept for the broker or a disposable's instance",
		),
	),
	// A kernel does not boot in less; a tebibyte more likely means that somebody wrote bytes or KiB.
	memory: v.optional(wholeNumber(64, 1_048_576, "a whole number of MiB"), 1024),
	// 255 is the most that QEMU's q35 takes without an IOMMU. What the host has is not known here.
	cpus: v.optional(wholeNumber(1, 255, "a whole number"), 2),
	network: v.optional(boolean, true),
	autoStart: v.optional(boolean, false),
	disks: v.optional(
		v.pipe(
			v.array(absolutePath, "a list of absolute paths"),
			v.maxLength(maxDisks, `at most ${maxDisks} disks`),
			v.readonly(),
		),
		[],
	),
	disposable: v.optional(boolean, false),
	// A year: more is "never", which is 0.
	idleTimeout: v.optional(wholeNumber(0, 31_536_000, "a whole number of seconds"), 0),
	// An hour: a boot that takes longer is stuck, and its callers wait.
	bootTimeout: v.optional(wholeNumber(1, 3600, "a whole number of seconds"), 60),
	image: v.optional(absolutePath),
};

const jsonObject = v.custom<object>(isJsonObject, "an object");

const vmSchema = v.pipe(
	jsonObject,
	v.strictObject(vmEntries),
	v.transform(
		({ memory, idleTimeout, bootTimeout, image, ...same }): VmConfig => ({
			...same,
			memoryMiB: memory,
			idleTimeoutMs: idleTimeout * 1000,
			bootTimeoutMs: bootTimeout * 1000,
			...(image !== undefined && { image }),
		}),
	),
);

export const configEntries = {
	$schema: v.optional(v.string("a string")),
	version: v.literal(1, "1, the version of this format"),
	// 256 bytes is the most that useradd takes; directory services have names with "\" and "@".
	user: v.optional(checkedString((user) => /^[^\p{C}\s:/]{1,256}$/u.test(user), "the name of a user")),
	vmNetwork: v.optional(checkedString(isVmNetwork, 'an IPv4 network "A.B.C.0/24"'), "172.16.200.0/24"),
	// As many as there are ids.
	vms: v.pipe(v.array(vmSchema, "a list of vms"), v.maxLength(127, "at most 127 vms")),
};

export const configSchema = v.pipe(
	jsonObject,
	v.strictObject(configEntries),
	v.transform(({ user, vmNetwork, vms }): Config => ({ ...(user !== undefined && { user }), vmNetwork, vms })),
);
