/** Whether guests can run on the processor itself, and what is in the way. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { errnoOf } from "../errors.ts";

export type Kvm =
	| { readonly works: true }
	/** `errno` of opening /dev/kvm, ENODEV where it is no device; without it the processor offers nothing to open it for. */
	| { readonly works: false; readonly flag?: "vmx" | "svm"; readonly errno?: string };

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
