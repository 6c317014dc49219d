/** Whether guests can run on the processor itself, and what is in the way. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { errnoOf } from "../errors.ts";

export type Kvm =
	| { readonly works: true }
	/** `errno` of opening /dev/kvm, ENODEV where it is no device; without it the processor offers nothing to open it for. */
	| { readonly works: false; readonly flag?: "vmx" | "svm"; readonly errno?: string };

/** What is in the way of KVM, as a sentence without its full stop, and what helps. */
export function describeLack(kvm: Kvm & { readonly works: false }): {
	readonly sentence: string;
	readonly remedy: string;
} {
	if (kvm.flag === undefined) {
		return {
			sentence: "the processor offers no virtualisation (vmx or svm)",
			remedy:
				"lscpu | grep -i virtual   # turn VT-x or AMD-V on in the firmware; in a virtual machine, nesting on its host",
		};
	}
	const module = kvm.flag === "vmx" ? "kvm_intel" : "kvm_amd";
	switch (kvm.errno) {
		case "ENOENT":
			return { sentence: "there is no /dev/kvm", remedy: `sudo modprobe ${module}` };
		case "EACCES":
		case "EPERM":
			return {
				sentence: "/dev/kvm is not yours to open",
				remedy:
					'sudo chgrp kvm /dev/kvm && sudo chmod g+rw /dev/kvm && sudo usermod -aG kvm "$(id -un)"   # and log in again',
			};
		default:
			return {
				sentence: `/dev/kvm does not open (${kvm.errno})`,
				remedy: `sudo modprobe -r ${module} && sudo modprobe ${module}`,
			};
	}
}

/** Guests run on an emulated processor, and all in them takes long. */
export const isEmulated = (): boolean => !lookAtKvm().works;

/**
 * An openable /dev/kvm proves nothing where the processor has no virtualisation: guests then hang early in their boot. A unit asks
 * the same before each start (has_kvm in vm-shim.sh).
 */
export function lookAtKvm(): Kvm {
	const flag = /^flags.* (vmx|svm)( |$)/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1];
	if (flag !== "vmx" && flag !== "svm") return { works: false };
	try {
		const file = openSync("/dev/kvm", constants.O_RDWR | constants.O_NONBLOCK);
		const isDevice = fstatSync(file).isCharacterDevice();
		closeSync(file);
		return isDevice ? { works: true } : { works: false, flag, errno: "ENODEV" };
	} catch (cause) {
		return { works: false, flag, errno: errnoOf(cause) ?? "unknown" };
	}
}
