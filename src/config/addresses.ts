/** Addresses follow from a vm's id, so nothing has to be handed out or remembered (contracts: configuration). */
import type { VmConfig } from "./schema.ts";

export interface VmAddresses {
	/** IPv4 address of the guest: network base + id. */
	readonly guest: string;
	/** The host's side of the /31 link (RFC 3021), the guest's gateway: network base + id − 1. */
	readonly host: string;
	/** The name server of QEMU's user-mode network: network base + 1, which no vm has, as ids begin at 3. */
	readonly dns: string;
	/** 02 marks a locally administered unicast address (IEEE 802), 51:4c is "QL", the last byte is the id. */
	readonly mac: string;
}

/** The TAP of a configured vm. */
export const toVmTap = (name: string): string => `ql-${name}`;

/** Of disposablePool, by the id whose address it has. */
export const toPoolTap = (id: number): string => `ql-d${id}`;

/** The remedy for a TAP that is not there, or not as it should be: those of these vms, or, without a name, all. */
export const toTapRemedy = (...names: readonly string[]): string =>
	`${["qubes-lite host tap --print", ...names].join(" ")} | sudo sh`;

/**
 * Which TAP of the pool an instance has is in its own id, which all know who know the instance: its broker, one that adopts it, and
 * systemd by its unit's name. The low byte of an odd one is the id in the pool; an even one, as none in the pool is, has none: null.
 */
export const poolIdOf = (instanceId: number): number | null => (instanceId % 2 === 1 ? instanceId & 0xff : null);

/** The id of an instance that has the TAP of `poolId`, or none, with the other bits of `number`. */
export const toInstanceId = (number: number, poolId: number | null): number =>
	poolId === null ? number & ~1 : (number & ~0xff) | poolId;

/** An instance of a disposable has those of its TAP in the pool, else its base's: its own id is beyond the last byte of any. */
export function toAddressId({ id, instanceOf }: VmConfig): number {
	if (instanceOf === undefined) return id;
	return poolIdOf(id) ?? instanceOf?.id ?? id;
}

/** Addresses of the vm with `id` (odd, 3 to 255) in `vmNetwork` ("A.B.C.0/24"), both checked by the schema. */
export function toAddresses(vmNetwork: string, id: number): VmAddresses {
	const base = vmNetwork.slice(0, vmNetwork.lastIndexOf("."));
	return {
		guest: `${base}.${id}`,
		host: `${base}.${id - 1}`,
		dns: `${base}.1`,
		mac: `02:51:4c:00:00:${id.toString(16).padStart(2, "0")}`,
	};
}
