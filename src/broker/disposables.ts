/** Fresh instances of disposables: which vm they are made from, their names and ids, and what they are. */
import { toInstanceId } from "../config/addresses.ts";
import { findDefaultBase } from "../config/default-base.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { isInstanceName, noSuchVm, parseVmName } from "../config/vm-name.ts";
import { QubesLiteError } from "../errors.ts";
import { canBeBase, toInstanceOf } from "../launch/vm-units.ts";
import type { InstanceBounds } from "./boot-marks.ts";

/** With the smallest memory that a desktop program is of use in, 512 MiB each, these fill a large desktop's 16 GiB. */
export const instancesMax = 32;

/** Beyond the ids of configured vms, with room between (contracts: Idleness, "CIDs from 1000 up"). */
const firstId = 1000;

/** The vm to make an instance from; `untrustedName` "" is the default one. Throws BadName, NoSuchVm, or BadRequest. */
export function findBase({ vms }: Config, untrustedName: string): VmConfig {
	if (untrustedName === "") {
		const base = findDefaultBase(vms);
		if (base !== undefined) return base;
		throw new QubesLiteError("BadRequest", "no vm is configured as disposable, so there is no default to start from", {
			remedy: "name one: run-in-vm --disposable=BASE …",
		});
	}
	const name = parseVmName(untrustedName);
	const base = vms.find((vm) => vm.name === name);
	if (base !== undefined) return base;
	const names = vms.map((vm) => vm.name);
	throw noSuchVm(name, names);
}

/** What an instance may be made with. */
export interface NewInstance {
	/** Gives four random hex digits. */
	newTag(): string;
	/** The id in disposablePool whose TAP it has; null: none. Throws Limit. */
	takeTap(): number | null;
}

/**
 * A new instance of `base` beside the vms that there are. Its id is its tag as a number: systemd tells both from the name of its unit.
 *
 * Throws Unsupported for a base with disks: an instance must not write them, and no view of them is sound while the base
 * may run. QEMU's snapshot=on reads what it has not copied from the image itself, which the base changes under it; the
 * image's lock would keep the base from starting; and a copy takes as long as the disk is large.
 */
export function toInstance(base: VmConfig, existing: readonly VmConfig[], { newTag, takeTap }: NewInstance): VmConfig {
	if (!canBeBase(base)) {
		throw new QubesLiteError("Unsupported", `${base.name} has disks, which a disposable instance can't share with it`, {
			remedy: "choose a base without disks, or configure one",
		});
	}
	if (existing.filter((vm) => vm.instanceOf !== undefined).length >= instancesMax) {
		throw new QubesLiteError("Limit", `${instancesMax} instances of disposables run already, which is the limit`, {
			remedy: "end one of them: qubes-lite ls",
		});
	}
	const poolId = takeTap();
	const ids = new Set(existing.map((vm) => vm.id));
	let id: number;
	do id = toInstanceId(Number.parseInt(newTag(), 16), poolId);
	while (id < firstId || ids.has(id));
	return toInstanceOf(base, id.toString(16).padStart(4, "0"), id);
}

/** Whether a vmm that an earlier broker left runs such an instance. */
export const isInstance = (name: string, id: number): boolean => isInstanceName(name) && id >= firstId;

/**
 * One that an earlier broker left: of what it was made from only its bounds are needed any more, as they were then. `base` as it is
 * configured now, if it still is.
 */
export function toAdoptedInstance(
	orphan: VmConfig,
	bounds: InstanceBounds | null = null,
	base: VmConfig | undefined = undefined,
): VmConfig {
	const { maxLifetimeMs, shutdown } = bounds ?? base ?? orphan;
	const instanceOf = base === undefined ? null : { name: base.name, id: base.id };
	return { ...orphan, disposable: true, maxLifetimeMs, shutdown, instanceOf };
}
