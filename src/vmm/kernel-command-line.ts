/**
 * The kernel command line: per-vm facts travel on it, so that one image serves many vms. Every guest image parses it
 * alike (contracts: configuration).
 */
import { toAddresses, toAddressId } from "../config/addresses.ts";
import type { Disk } from "../config/disks.ts";
import type { Hypervisor } from "../config/hypervisor.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { HostFacts } from "./host-facts.ts";
import type { NetworkKind } from "./plan-parts.ts";

export interface KernelFacts {
	readonly accelerator: HostFacts["accelerator"];
	readonly nameServer: HostFacts["nameServer"];
	readonly network: NetworkKind;
	readonly root: Disk;
	readonly hypervisor: Hypervisor;
}

/** One word of the line, and why it is there. */
export interface KernelWord {
	readonly word: string;
	readonly why: string;
}

/** COMMAND_LINE_SIZE of x86 is 2048 with its NUL (arch/x86/include/asm/setup.h); the kernel cuts the rest off silently. */
const maxBytes = 2047;

const say = (word: string, why: string): KernelWord => ({ word, why });

/** crosvm says these itself (x86_64/src/lib.rs). */
const before = [
	say("panic=-1", "a panicked guest reboots at once, which is the vmm's end, instead of hanging until bootTimeout"),
	say("console=ttyS0", "the vmm's standard output is the first serial port"),
];
const after = ({ readOnly }: Disk): KernelWord[] => [
	say("root=/dev/vda", "the root disk"),
	say(readOnly ? "ro" : "rw", "how the root disk is mounted"),
];

const bootFlags = [
	say("quiet", "each line of the boot log costs an exit per character"),
	say("cryptomgr.notests", "boot time: no self-tests of the ciphers"),
	say("8250.nr_uarts=1", "boot time: one serial port to probe"),
	say("audit=0", "boot time: no audit"),
];

/** Together 0.8 s of a boot of 3.5 s under TCG (reference/guest-vm.md, section 1). KVM guests calibrate nothing of this. */
const tcgFlags = [
	say("tsc=reliable", "boot time: QEMU's time stamp counter is steady, and needs no watchdog"),
	say("no_timer_check", "boot time: no test of the timer's interrupt"),
	say("noreplace-smp", "boot time: patching lock prefixes in and out makes TCG translate running code again"),
	say("random.trust_cpu=on", "RDRAND is the host's own generator here, so it may count as entropy at once"),
];

/** The words of `vm` but for those that its hypervisor adds by itself. Throws BootFailed where the whole line is too long or not printable ASCII. */
export function toKernelWords(config: Config, vm: VmConfig, facts: KernelFacts): KernelWord[] {
	const own = [
		...bootFlags,
		...(facts.accelerator === "tcg" ? tcgFlags : []),
		say(`systemd.hostname=${vm.name}`, "the guest's host name"),
		say(`qubeslite.vm=${vm.name}`, '"name"'),
		say(`qubeslite.id=${vm.id}`, "the id, or an instance's own"),
		say(`qubeslite.disposable=${vm.disposable ? 1 : 0}`, '"disposable"'),
		say(`qubeslite.idle_timeout=${vm.idleTimeoutMs / 1000}`, '"idleTimeout", s'),
		...vm.sharedDirectories.map(({ tag }) => say(`qubeslite.share=${tag}`, `"sharedDirectories": mounts /mnt/${tag}`)),
		...toNetworkWords(config, vm, facts),
		...vm.kernelParams.map((word) => say(word, '"kernelParams"')),
	];
	const words = [...before, ...own, ...after(facts.root)];
	checkLine(
		vm,
		words.map(({ word }) => word),
	);
	return facts.hypervisor === "crosvm" ? own : words;
}

function checkLine(vm: VmConfig, words: readonly string[]): void {
	for (const word of words) checkWord(word);
	const line = words.join(" ");
	if (line.length <= maxBytes) return;
	const longest = words.reduce((a, b) => (b.length > a.length ? b : a));
	throw new QubesLiteError(
		"BootFailed",
		`the kernel command line of ${vm.name} has ${line.length} bytes, ${maxBytes} are allowed; its longest field is ${toKey(longest)}`,
	);
}

function toNetworkWords(config: Config, vm: VmConfig, { network, nameServer }: KernelFacts): KernelWord[] {
	if (network === "none") return [];
	const { guest, host, dns, mac } = toAddresses(config.vmNetwork, toAddressId(vm));
	const words = [
		say(`ifname=vm0:${mac}`, "the network card's name in the guest"),
		say(`ip=${guest}::${host}:255.255.255.254::vm0:none`, "its address and gateway: they follow from the id"),
	];
	if (network === "user") return [...words, say(`qubeslite.dns=${dns}`, "the name server of QEMU's own network")];
	return nameServer === null ? words : [...words, say(`qubeslite.dns=${nameServer}`, "the host's name server")];
}

/** A space or a control character would end the field and begin another of the guest's choosing. */
function checkWord(field: string): void {
	if (/^[\x21-\x7e]+$/.test(field)) return;
	throw new QubesLiteError(
		"BootFailed",
		`the kernel command line takes only printable ASCII without spaces: ${toKey(field)} has something else`,
	);
}

const toKey = (field: string): string => field.split("=", 1)[0] ?? "";
