/** A vm's status as the properties of its object. */
import type { VmStatus } from "../../protocol/broker-replies.ts";
import { formatSessionId } from "../../protocol/session-id.ts";
import { leasesOf } from "../../statemachines/leases.ts";
import type { Vm } from "../vm.ts";
import type { vmSpec } from "./interfaces.ts";

/** A guest may report a thousand. */
export const sessionsShownMax = 128;

export type VmProperties = Readonly<Record<keyof typeof vmSpec.properties, unknown>>;

/** As its introspection says: instants in µs since 1970 on the wall clock, 0 for none. */
export function toVmProperties(vm: Vm, status: VmStatus): VmProperties {
	const { context, instance } = vm.snapshot();
	const boot = instance?.bootTag ?? null;
	const toId = ({ id }: { readonly id: number }): string => formatSessionId({ vm: status.name, session: id, boot });
	return {
		Name: status.name,
		Id: status.id,
		State: status.state,
		Flags: status.flags,
		Reason: status.reason ?? "",
		Remedy: status.remedy ?? "",
		Phase: status.phase ?? "",
		Since: toMicros(status.since),
		/** Its state says since when: it is idle from the instant at which its last lease went. */
		IdleSince: status.state === "idle" ? toMicros(status.since) : 0n,
		StopAt: toMicros(status.stopsAt),
		PauseAt: toMicros(status.pausesAt),
		Leases: status.leases.map(({ kind, words, since }) => [kind, words, toMicros(since)]),
		Sessions: leasesOf(context.leases, "session").slice(0, sessionsShownMax).map(toId),
		Base: vm.config.instanceOf ?? "",
		Disposable: status.disposable,
		Network: status.network,
		IdleTimeout: status.idleTimeout,
		IdleAction: status.idleAction,
		DependsOn: status.dependsOn,
		MaxLifetime: status.maxLifetime,
		Memory: status.memoryMiB,
		Cpus: status.cpus,
		Pid: status.pid ?? 0,
	};
}

/** Those of `next` that differ. */
export function differences(previous: VmProperties, next: VmProperties): Partial<VmProperties> {
	const changed = Object.entries(next).filter(([name, value]) => !isSame(value, previous[name as keyof VmProperties]));
	return Object.fromEntries(changed);
}

/** Instants are computed from the machine's clock each time, and differ by a hair. */
const sameInstantMicros = 100_000;

function isSame(one: unknown, other: unknown): boolean {
	if (typeof one === "bigint" && typeof other === "bigint") return Math.abs(Number(one - other)) < sameInstantMicros;
	if (!Array.isArray(one) || !Array.isArray(other)) return one === other;
	return one.length === other.length && one.every((part, index) => isSame(part, other[index]));
}

const toMicros = (time: string | null): bigint => (time === null ? 0n : BigInt(Date.parse(time)) * 1000n);
