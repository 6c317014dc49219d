/**
 * The kernel command line: per-vm facts travel on it, so that one image serves many vms. Every guest image parses it
 * alike (contracts: configuration).
 */
import { toAddresses, toAddressId } from "../config/addresses.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { HostFacts } from "./host-facts.ts";

/** `tap`: a pre-made TAP of the host. `user`: the vmm itself speaks TCP and UDP for the guest. */
export type NetworkKind = "none" | "tap" | "user";

export interface KernelFacts {
	readonly accelerator: HostFacts["accelerator"];
	readonly network: NetworkKind;
}

/** COMMAND_LINE_SIZE of x86 is 2048 with its NUL (arch/x86/include/asm/setup.h); the kernel cuts the rest off silently. */
const maxBytes = 2047;

const bootFlags = [
	// The vmm's standard output is the first serial port.
	"console=ttyS0",
	// Each line of the boot log costs an exit per character.
	"quiet",
	// A panicked guest reboots at once, which -no-reboot makes the vmm's end, instead of hanging until bootTimeout.
	"panic=-1",
	// Boot time: no self-tests of the ciphers, one serial port to probe, no audit.
	"cryptomgr.notests",
	"8250.nr_uarts=1",
	"audit=0",
];

/** Together 0.8 s of a boot of 3.5 s under TCG (reference/guest-vm.md, section 1). KVM guests calibrate nothing of this. */
const tcgFlags = [
	// QEMU's time stamp counter is steady: no watchdog, no calibration against another timer, no test of the timer's interrupt.
	"tsc=reliable",
	"no_timer_check",
	// Patching lock prefixes in and out of running code makes TCG translate it again.
	"noreplace-smp",
	// RDRAND is the host's own generator here, so it may count as entropy at once.
	"random.trust_cpu=on",
];

/** The line of `vm`. Throws BootFailed where it is too long or not printable ASCII. */
export function toKernelCommandLine(config: Config, vm: VmConfig, facts: KernelFacts): string {
	const fields = [
		...bootFlags,
		...(facts.accelerator === "tcg" ? tcgFlags : []),
		`systemd.hostname=${vm.name}`,
		`qubeslite.vm=${vm.name}`,
		`qubeslite.id=${vm.id}`,
		`qubeslite.disposable=${vm.disposable ? 1 : 0}`,
		`qubeslite.idle_timeout=${vm.idleTimeoutMs / 1000}`,
		...toNetworkFields(config, vm, facts.network),
	];
	for (const field of fields) checkField(field);
	const line = fields.join(" ");
	if (line.length > maxBytes) {
		const longest = fields.reduce((a, b) => (b.length > a.length ? b : a));
		throw new QubesLiteError(
			"BootFailed",
			`the kernel command line of ${vm.name} has ${line.length} bytes, ${maxBytes} are allowed; its longest field is ${toKey(longest)}`,
		);
	}
	return line;
}

function toNetworkFields(config: Config, vm: VmConfig, network: NetworkKind): string[] {
	if (network === "none") return [];
	const { guest, host, dns, mac } = toAddresses(config.vmNetwork, toAddressId(vm));
	const fields = [`ifname=vm0:${mac}`, `ip=${guest}::${host}:255.255.255.254::vm0:none`];
	return network === "user" ? [...fields, `qubeslite.dns=${dns}`] : fields;
}

/** A space or a control character would end the field and begin another of the guest's choosing. */
function checkField(field: string): void {
	if (/^[\x21-\x7e]+$/.test(field)) return;
	throw new QubesLiteError(
		"BootFailed",
		`the kernel command line takes only printable ASCII without spaces: ${toKey(field)} has something else`,
	);
}

function toKey(field: string): string {
	return field.slice(0, field.indexOf("="));
}
