/** The TAP devices that are ours by their name, `ql-<vm>`. Read from sysfs, which anybody may. */
import { readdirSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { toTapRemedy } from "../config/addresses.ts";
import { errnoOf, QubesLiteError } from "../errors.ts";

const network = "/sys/class/net";

/** Who may open it (tun_not_capable in Linux's tun.c): the owner, or anybody where none is set; the same for the group. */
export interface Tap {
	/** null: anybody. */
	readonly owner: number | null;
	readonly group: number | null;
	/** Switched on (IFF_UP), whether or not a vm is at its other end. */
	readonly isUp: boolean;
	/** Somebody has it open. Not known, and so false, while it is switched off. */
	readonly isInUse: boolean;
}

export function listTaps(): string[] {
	return readdirSync(network).filter((name) => name.startsWith("ql-") && readTap(name) !== undefined);
}

/** tun_not_capable in Linux's tun.c. Root may in any case. */
export function mayOpen({ owner, group }: Tap): boolean {
	const { uid } = userInfo();
	if (uid === 0) return true;
	const groups = [process.getegid?.(), ...(process.getgroups?.() ?? [])];
	return (owner === null || owner === uid) && (group === null || groups.includes(group));
}

/** Throws BootFailed where a TAP that is there can't be opened: the vmm would say so in its own words, and only then. */
export function checkTap(name: string): void {
	const tap = readTap(name);
	if (tap === undefined || mayOpen(tap)) return;
	throw new QubesLiteError("BootFailed", `the TAP ${name} is there, and not yours to open`, {
		remedy: toTapRemedy(),
	});
}

/** undefined where there is no such interface, or it is no tun or tap device: only those have `tun_flags` (has_tap in vm-shim.sh). */
export function readTap(name: string): Tap | undefined {
	const read = (file: string): number => Number(readFileSync(join(network, name, file), "utf8"));
	const idOf = (file: string): number | null => (read(file) < 0 ? null : read(file));
	try {
		read("tun_flags");
		const isUp = (read("flags") & 1) === 1;
		/** Of what is switched off the kernel has no word (EINVAL). */
		return { owner: idOf("owner"), group: idOf("group"), isUp, isInUse: isUp && read("carrier") === 1 };
	} catch (cause) {
		// EINVAL: it went while we looked.
		if (["ENOENT", "ENOTDIR", "EINVAL", "ENODEV"].includes(errnoOf(cause) ?? "")) return undefined;
		throw cause;
	}
}
