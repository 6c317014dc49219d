/** A vm's state in the words that every client sees. */
import { toSettings } from "../config/lifecycle.ts";
import type { VmConfig } from "../config/schema.ts";
import { isEmulated } from "../host/kvm.ts";
import type { LeaseStatus, NextBoot, VmState, VmStatus } from "../protocol/broker-replies.ts";
import { formatSessionId } from "../protocol/session-id.ts";
import { describeLease, type Lease, type Leases, leasesOf, unknownCommand } from "../statemachines/leases.ts";
import { nextDue, nextStop, type VmContext } from "../statemachines/vm-context.ts";
import type { Reason } from "../statemachines/vm-events.ts";
import type { GuestMemory } from "../vmm-control/vmm-control.ts";
import type { Instance } from "./instance.ts";
import type { Vm } from "./vm.ts";
import { failedBootRemedy } from "./vm-errors.ts";

/** A guest may report a thousand; a reply has room for those of every vm. */
export const leasesShownMax = 32;

export interface StatusFacts {
	readonly isConfigured: boolean;
	readonly isPreloaded: boolean;
	/** On the machine's clock. */
	readonly now: number;
	/** The same instant on the wall clock. */
	readonly wallMs: number;
	/** Of sessions, by their numbers, as the guest has just said. */
	readonly processes?: ReadonlyMap<number, number>;
	/** What its vmm says of its guest's memory. */
	readonly memory?: GuestMemory | null;
}

export function toStatus(vm: Vm, facts: StatusFacts): VmStatus {
	const { state, context, instance } = vm.snapshot();
	const { now, wallMs, processes, memory = null } = facts;
	const toWall = (time: number): string => new Date(wallMs - now + time).toISOString();
	const isServing = state === "ready" || state === "idle";
	const isAtRest = state === "stopped" || state === "failed";
	const due = isServing ? nextDue(context) : null;
	const stop = isServing ? nextStop(context) : null;
	const plan = instance?.plan;
	return {
		name: vm.config.name,
		id: vm.config.id,
		state: state as VmState,
		flags: toFlags(state, context, facts),
		since: toWall(context.since),
		reason: context.reason?.sentence ?? null,
		remedy: remedyOf(vm.config, context.reason),
		leases: shown(context.leases)
			.slice(0, leasesShownMax)
			.map((lease): LeaseStatus => {
				const words = describe(vm.config.name, lease, instance, processes?.get(lease.id) ?? null);
				return { kind: lease.kind, words, since: toWall(lease.since) };
			}),
		sessions: leasesOf(context.leases, "session").length,
		stopsAt: stop === null ? null : toWall(stop.at),
		pausesAt: due !== null && stop === null ? toWall(due.at) : null,
		coolsUntil: isAtRest && context.coolsUntil > now ? toWall(context.coolsUntil) : null,
		disposable: vm.config.disposable,
		network: vm.config.network,
		...toLifecycleStatus(vm.config),
		set: { ...toSettings(vm.configuration.overrides) },
		memoryMiB: vm.config.memoryMiB,
		availableMiB: toMiB(memory?.availableBytes ?? null),
		displayCut: instance?.displayCut ?? null,
		cpus: vm.config.cpus,
		next: toNextBoot(vm),
		hypervisor: plan?.hypervisor ?? null,
		supervisor: instance?.supervisor ?? null,
		pid: instance?.pid ?? null,
		phase: state === "booting" ? context.phase : null,
		phases: Object.fromEntries(Object.entries(context.phases).map(([phase, at]) => [phase, Math.round(at)])),
		bootMs: context.bootMs === null ? null : Math.round(context.bootMs),
		usualBootMs: vm.usualBootMs,
	};
}

const toMiB = (bytes: number | null): number | null => (bytes === null ? null : Math.floor(bytes / 2 ** 20));

function remedyOf(vm: VmConfig, reason: Reason | null): string | null {
	return reason?.remedy ?? (reason === null ? null : (failedBootRemedy(vm, reason, isEmulated) ?? null));
}

/** A ticket that both we and the guest hold is one to whoever looks. */
function shown(leases: Leases): Lease[] {
	const ours = new Set(leasesOf(leases, "ticket").map(({ session }) => session));
	return [...leases.values()].filter(({ kind, id }) => kind !== "announced" || !ours.has(id));
}

/** What of a configuration its vmm was started with, besides what is shown with its value. */
const ofTheBoot = [
	...(["disks", "sharedDirectories", "image", "kernel", "initramfs", "rootDisk", "kernelParams"] as const),
	...(["hypervisor", "gpu", "display", "sound", "crosvm"] as const),
];

function toNextBoot({ config, configuration: { next } }: Vm): NextBoot | null {
	const differs = (key: keyof VmConfig): boolean => JSON.stringify(config[key]) !== JSON.stringify(next[key]);
	/** Of one that was found running without a configuration nothing is known. */
	const others = config.memoryMiB === 0 ? [] : ofTheBoot.filter(differs);
	if (others.length === 0 && !(["memoryMiB", "cpus", "network"] as const).some(differs)) return null;
	return { memoryMiB: next.memoryMiB, cpus: next.cpus, network: next.network, others };
}

/** Of what ran before this broker the machine knows numbers only. */
function describe(vm: string, lease: Lease, instance: Instance | undefined, processes: number | null): string {
	const isSession = lease.kind === "session" || lease.kind === "cgroup";
	const name = isSession && lease.label === unknownCommand ? instance?.book.nameOf(lease.id) : undefined;
	const session = formatSessionId({ vm, session: lease.id, boot: instance?.bootTag ?? null });
	return describeLease(name === undefined ? lease : { ...lease, label: name }, { id: session, processes });
}

/** What keeps it up, a phrase each. */
export function describeLeases(vm: Pick<Vm, "config" | "snapshot">): string[] {
	const { context, instance } = vm.snapshot();
	return shown(context.leases).map((lease) => describe(vm.config.name, lease, instance, null));
}

/** Of one that is kept ready the idleTimeout is a millisecond. */
function toLifecycleStatus(vm: VmConfig) {
	const { idleTimeoutMs, idleAction, pauseTimeoutMs, maxLifetimeMs, dependsOn, preload, color = null } = vm;
	return {
		idleTimeout: Math.ceil(idleTimeoutMs / 1000),
		idleAction,
		pauseTimeout: pauseTimeoutMs / 1000,
		maxLifetime: Math.ceil(maxLifetimeMs / 1000),
		dependsOn,
		preload,
		color,
	};
}

/** Words for what its state alone does not say. */
export function toFlags(
	state: string,
	context: VmContext,
	{ isConfigured, isPreloaded }: Pick<StatusFacts, "isConfigured" | "isPreloaded">,
): string[] {
	const flags: string[] = [];
	if (isPreloaded) flags.push("preloaded");
	if (context.paused) flags.push("paused");
	if (context.unresponsive) flags.push("unresponsive");
	if (state === "ready" && !context.linked && !context.unresponsive) flags.push("reconnecting");
	if (state === "failed" && context.vmmAlive) flags.push("vmmAlive");
	if (!isConfigured) flags.push("notConfigured");
	return flags;
}
