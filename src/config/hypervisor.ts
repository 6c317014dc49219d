/** Which vmm runs a vm, what each can't do, and what is crosvm's alone. */
import * as v from "valibot";
import { isJsonObject, type JsonPath } from "./json.ts";
import { absolutePath } from "./paths.ts";

export const hypervisorNames = ["qemu", "crosvm"] as const;
export type Hypervisor = (typeof hypervisorNames)[number];

/** What a driver can do that not all can. Whoever asks for what one lacks is told so at once, by the configuration's key. */
export interface Capabilities {
	/** Its name for people. */
	readonly title: string;
	/** A GPU through which the guest's windows reach the host's Wayland compositor (virtio-gpu, cross-domain). */
	readonly gpu: boolean;
	/** It says whether its guest has rebooted or powered off. */
	readonly tellsReboot: boolean;
	/** It speaks TCP and UDP for a guest for which the host has no TAP. */
	readonly userNetwork: boolean;
	/** It runs guests on an emulated processor where the host has no KVM. */
	readonly emulation: boolean;
}

export const capabilities: Readonly<Record<Hypervisor, Capabilities>> = {
	qemu: { title: "QEMU", gpu: false, tellsReboot: false, userNetwork: true, emulation: true },
	crosvm: { title: "crosvm", gpu: true, tellsReboot: true, userNetwork: false, emulation: false },
};

/** "auto": cross-domain where the driver has a GPU and there is a Wayland session, else none. "virgl" also draws with the host's GPU. */
export const gpuKinds = ["auto", "none", "cross-domain", "virgl"] as const;
export type Gpu = (typeof gpuKinds)[number];

export interface CrosvmSettings {
	/** Absolute; the one on PATH if absent. */
	readonly binary?: string;
	/** Words for `crosvm run`, after ours. */
	readonly extraArgs: readonly string[];
	/** crosvm's own: each device in a process of its own, which sees nothing but what it needs. */
	readonly sandbox: boolean;
}

const either = (names: readonly string[]): string => {
	const quoted = names.map((name) => `"${name}"`);
	return `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
};

export const hypervisor = v.picklist(hypervisorNames, either(hypervisorNames));
export const gpu = v.optional(v.picklist(gpuKinds, either(gpuKinds)), "auto");

/** What the driver itself says, or what would be a second of what there can be but one (crosvm.md: example C is the whole of it). */
const oursAlone = [
	...["bios", "cid", "cpus", "c", "disable-sandbox", "initrd", "i", "mem", "m", "name", "pivot-root", "serial"],
	...["socket", "s", "root", "r", "rwroot", "vsock", "wayland-sock", "gpu", "params", "p", "tap-name", "net"],
	...["no-balloon", "vhost-user-connect-timeout-ms", "help", "extended-status", "log-level", "no-syslog", "syslog-tag"],
];

const optionOf = (word: string): string | undefined => /^--?([a-z][a-z0-9-]*)(?:=|$)/.exec(word)?.[1];

/** A second root disk, or a second vsock, of which a vm can have but one. */
const secondOnes: readonly (readonly [RegExp, RegExp])[] = [
	[/^(block|b|scsi-block|pmem)$/, /(^|,)root(=true)?(,|$)/],
	[/^vhost-user$/, /^(type=)?vsock(,|$)|,type=vsock(,|$)/],
];

/** Of options with their values, in the same word or in the next. */
const hasNoSecond = (words: readonly string[]): boolean =>
	words.every((word, index) => {
		const option = optionOf(word);
		const at = word.indexOf("=");
		const value = at < 0 ? (words[index + 1] ?? "") : word.slice(at + 1);
		return !secondOnes.some(([name, has]) => option !== undefined && name.test(option) && has.test(value));
	});

const extraArg = v.pipe(
	v.string("a word of crosvm run"),
	v.regex(/^[^\0]{1,4095}$/s, "a word of crosvm run"),
	v.check((word: string) => !word.startsWith("-") || optionOf(word) !== undefined, "an option of crosvm run"),
	v.check(
		(word: string) => !oursAlone.includes(optionOf(word) ?? ""),
		"another option: this one is set by the vm's own keys",
	),
);

/** An option, its value in the same word after =, or as the next one: anything else would be taken for the kernel. */
const hasOnlyOptions = (words: readonly string[]): boolean =>
	words.every((word, index) => word.startsWith("-") || /^-[^=]*$/.test(words[index - 1] ?? ""));

export const crosvmEntries = {
	binary: v.optional(absolutePath),
	extraArgs: v.optional(
		v.pipe(
			v.array(extraArg, "a list of words of crosvm run"),
			v.maxLength(64, "at most 64 words"),
			v.readonly(),
			v.check(hasNoSecond, "no second root disk and no second vsock"),
			v.check(hasOnlyOptions, "options, each with one value at most"),
		),
		[],
	),
	sandbox: v.optional(v.boolean("true or false")),
};

export const crosvm = v.optional(
	v.pipe(v.custom<object>(isJsonObject, "an object of crosvm's settings"), v.strictObject(crosvmEntries)),
	{},
);

type ParsedCrosvm = v.InferOutput<typeof crosvm>;

/** A vm's own settings before those of all. */
export function toCrosvmSettings(all: ParsedCrosvm, own: ParsedCrosvm): CrosvmSettings {
	const binary = own.binary ?? all.binary;
	return {
		...(binary !== undefined && { binary }),
		extraArgs: [...all.extraArgs, ...own.extraArgs],
		sandbox: own.sandbox ?? all.sandbox ?? true,
	};
}

export interface CapabilityProblem {
	readonly path: JsonPath;
	readonly value: unknown;
	/** Ends "expected …". */
	readonly expected: string;
}

/** What a vm may ask for that not every driver has. */
interface Wishes {
	readonly hypervisor: Hypervisor;
	readonly gpu: Gpu;
	readonly rebootAction: string;
}

/** Where a vm asks for what its driver lacks. */
export function findCapabilityProblems(vms: readonly Wishes[]): CapabilityProblem[] {
	return vms.flatMap(({ hypervisor, gpu, rebootAction }, index) => {
		const { title, ...can } = capabilities[hypervisor];
		const problems: CapabilityProblem[] = [];
		const who = (has: (one: Capabilities) => boolean): string =>
			hypervisorNames
				.filter((name) => has(capabilities[name]))
				.map((name) => `"${name}"`)
				.join(" or ");
		if (!can.gpu && gpu !== "auto" && gpu !== "none") {
			const remedy = `${title} has no such GPU, "hypervisor": ${who((one) => one.gpu)} has`;
			problems.push({ path: ["vms", index, "gpu"], value: gpu, expected: `"auto" or "none": ${remedy}` });
		}
		if (!can.tellsReboot && rebootAction !== "stop") {
			const remedy = `${title} does not tell a reboot from a power-off, "hypervisor": ${who((one) => one.tellsReboot)} does`;
			problems.push({ path: ["vms", index, "rebootAction"], value: rebootAction, expected: `"stop": ${remedy}` });
		}
		return problems;
	});
}
