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

/** An instance of a disposable has its base's addresses: its own id is beyond the last byte of any. */
export const toAddressId = (vm: VmConfig): number => vm.instanceOf?.id ?? vm.id;

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
