/** A vm's state in the words that every client sees. */
import type { VmState, VmStatus } from "../protocol/broker-replies.ts";
import { describeLease, type Lease, type Leases, leasesOf, unknownCommand } from "../statemachines/leases.ts";
import { stopsAt, type VmContext } from "../statemachines/vm-context.ts";
import type { Instance } from "./instance.ts";
import type { Vm } from "./vm.ts";

/** A guest may report a thousand; a reply has room for those of every vm. */
const leasesShownMax = 32;

/** `now` on the machine's clock, `wallMs` the same instant on the wall clock. */
export function toStatus(vm: Vm, isConfigured: boolean, now: number, wallMs: number): VmStatus {
	const { state, context, instance } = vm.snapshot();
	const toWall = (time: number): string => new Date(wallMs - now + time).toISOString();
	const due = stopsAt(context);
	const plan = instance?.plan;
	return {
		name: vm.config.name,
		id: vm.config.id,
		state: state as VmState,
		flags: toFlags(state, context, isConfigured),
		since: toWall(context.since),
		reason: context.reason?.sentence ?? null,
		leases: shown(context.leases)
			.slice(0, leasesShownMax)
			.map((lease) => describe(lease, instance)),
		sessions: leasesOf(context.leases, "session").length,
		stopsAt: state === "idle" && due !== null ? toWall(due) : null,
		disposable: vm.config.disposable,
		network: vm.config.network,
		idleTimeout: vm.config.idleTimeoutMs / 1000,
		memoryMiB: vm.config.memoryMiB,
		hypervisor: plan?.hypervisor ?? null,
		pid: instance?.pid ?? null,
		phase: state === "booting" ? context.phase : null,
		bootMs: context.bootMs === null ? null : Math.round(context.bootMs),
	};
}

/** A ticket that both we and the guest hold is one to whoever looks. */
function shown(leases: Leases): Lease[] {
	const ours = new Set(leasesOf(leases, "ticket").map(({ session }) => session));
	return [...leases.values()].filter(({ kind, id }) => kind !== "announced" || !ours.has(id));
}

/** Of what ran before this broker the machine knows numbers only. */
function describe(lease: Lease, instance: Instance | undefined): string {
	const isSession = lease.kind === "session" || lease.kind === "cgroup";
	const name = isSession && lease.label === unknownCommand ? instance?.book.nameOf(lease.id) : undefined;
	return describeLease(name === undefined ? lease : { ...lease, label: name });
}

function toFlags(state: string, context: VmContext, isConfigured: boolean): string[] {
	const flags: string[] = [];
	if (context.unresponsive) flags.push("unresponsive");
	if (state === "ready" && !context.linked && !context.unresponsive) flags.push("reconnecting");
	if (state === "failed" && context.vmmAlive) flags.push("vmmAlive");
	if (!isConfigured) flags.push("notConfigured");
	return flags;
}
