/** Which TAPs the networked vms of a configuration need, whose they are, and where their packets may leave the host. */
import { toAddresses, toPoolTap, toVmTap } from "../../config/addresses.ts";
import { poolIdsOf } from "../../config/disposable-pool.ts";
import { formatValue } from "../../config/format-value.ts";
import type { Config } from "../../config/schema.ts";
import { noSuchVm, parseVmName } from "../../config/vm-name.ts";
import { QubesLiteError } from "../../errors.ts";

/** Who may open the TAPs. */
export interface TapOwner {
	/** null: the caller, who is known by the uid. */
	readonly name: string | null;
	/** null: there is no such user on this host. */
	readonly uid: number | null;
}

/** Throws BadRequest where there is none. */
export function needUid({ name, uid }: TapOwner): number {
	if (uid !== null) return uid;
	throw new QubesLiteError("BadRequest", `"user" of the configuration, ${formatValue(name)}, is no user of this host`, {
		remedy: "getent passwd   # the users that there are",
	});
}

export interface PlannedTap {
	/** "ql-shopping", "ql-d101". */
	readonly name: string;
	/** null: of disposablePool. */
	readonly vm: string | null;
	readonly id: number;
	/** The host's end of the link, which the guest has as its gateway; both IPv4, /31. */
	readonly host: string;
	readonly guest: string;
}

export interface TapPlan {
	readonly owner: TapOwner;
	/** The one interface by which vms reach the outside; null: whichever the host's routes lead to. */
	readonly outside: string | null;
	/** Those that were asked for, in the order of their ids. */
	readonly taps: readonly PlannedTap[];
	/** All that there may be by the configuration. */
	readonly configured: readonly PlannedTap[];
	/** No vm was named: `taps` are all, and what else is there is too many. */
	readonly isWhole: boolean;
	/** Of the vms that were asked for, those without a network, which get nothing. */
	readonly offline: readonly string[];
}

export interface TapRequest {
	/** Names of vms, not checked; none: all of them, and those of disposablePool. */
	readonly names: readonly string[];
	readonly owner: TapOwner;
	readonly outside: string | null;
}

/** Throws BadName and NoSuchVm. */
export function planTaps(config: Config, { names, owner, outside }: TapRequest): TapPlan {
	const known = config.vms.map(({ name }) => name);
	const asked = new Set(names.map(parseVmName));
	for (const name of asked) if (!known.includes(name)) throw noSuchVm(name, known);
	const isWhole = asked.size === 0;
	const isAsked = (vm: string | null): boolean => isWhole || (vm !== null && asked.has(vm));
	const toTap = (name: string, vm: string | null, id: number): PlannedTap => {
		const { host, guest } = toAddresses(config.vmNetwork, id);
		return { name, vm, id, host, guest };
	};
	const configured = [
		...config.vms.filter(({ network }) => network).map(({ name, id }) => toTap(toVmTap(name), name, id)),
		...poolIdsOf(config).map((id) => toTap(toPoolTap(id), null, id)),
	].sort((a, b) => a.id - b.id);
	return {
		owner,
		outside,
		taps: configured.filter(({ vm }) => isAsked(vm)),
		configured,
		isWhole,
		offline: config.vms.filter(({ name, network }) => !network && isAsked(name)).map(({ name }) => name),
	};
}
