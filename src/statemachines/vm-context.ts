/** What a vm's machine knows. All times on one clock that stands still while the host sleeps, in ms. */
import { type Leases, leasesOf, noLeases } from "./leases.ts";
import type { BootPhase, Reason } from "./vm-events.ts";

/** How long each step of a shutdown may take before the next, harsher one. */
export interface ShutdownBounds {
	/** The guest was asked: its commands may end by themselves and its disks are synced. */
	readonly askMs: number;
	/** The vmm got SIGTERM. */
	readonly terminateMs: number;
	/** The vmm got SIGKILL; beyond this it is stuck in the kernel, and the vm is failed. */
	readonly killMs: number;
}

/** A guest that takes 20 s to shut down is normal; a vmm that takes more than a moment to die is not. */
export const defaultShutdownBounds: ShutdownBounds = { askMs: 30_000, terminateMs: 5_000, killMs: 10_000 };

/** A disposable that was started without a command waits this long for its first (contracts: Idleness). */
export const unusedDisposableMs = 60_000;

/** How long a shutdown waits for an agent that is not connected: it dials every 200 ms (design: control connection). */
export const relinkMs = 1_000;

/** setTimeout's longest delay (2³¹ − 1 ms, nodejs.org/api/timers); a longer one would fire at once. */
const timerMaxMs = 2 ** 31 - 1;

export interface VmInput {
	readonly name: string;
	readonly disposable: boolean;
	/** 0: never by idleness. */
	readonly idleTimeoutMs: number;
	readonly bootTimeoutMs: number;
	readonly bounds: ShutdownBounds;
	readonly now: () => number;
	/** A vmm that an earlier broker left running. `saidHello`: it was ready, and its agent will dial again. */
	readonly adopted: { readonly saidHello: boolean; readonly ageMs: number } | null;
}

export interface VmContext extends VmInput {
	readonly boot: number;
	/** Starts within this boot: 1, or 2 after the one retry. */
	readonly attempt: number;
	readonly phase: BootPhase;
	readonly leases: Leases;
	/** The control connection is up. */
	readonly linked: boolean;
	/** Heartbeats are missing: unknown means busy. */
	readonly unresponsive: boolean;
	/** A vmm runs, or may run. */
	readonly vmmAlive: boolean;
	/** Somebody has run something in this boot. */
	readonly used: boolean;
	readonly since: number;
	readonly bootBeganAt: number;
	readonly bootMs: number | null;
	readonly idleSince: number | null;
	readonly reason: Reason | null;
	/** What went wrong first in a boot that is being tried again; it is the reason if the second attempt fails too. */
	readonly firstFault: Reason | null;
}

export function initialContext(input: VmInput): VmContext {
	const now = input.now();
	return {
		...input,
		boot: 0,
		attempt: 1,
		phase: "vmm",
		leases: noLeases,
		linked: false,
		unresponsive: false,
		vmmAlive: input.adopted !== null,
		used: false,
		since: now,
		bootBeganAt: input.adopted === null ? now : now - input.adopted.ageMs,
		bootMs: null,
		idleSince: null,
		reason: null,
		firstFault: null,
	};
}

/** Nothing holds the vm, and we know it: a guest that we don't hear counts as busy. */
export const isUnused = (context: VmContext): boolean =>
	context.leases.size === 0 && context.linked && !context.unresponsive;

export const isAnswerable = (context: VmContext): boolean => context.linked && !context.unresponsive;

/** Somebody waits for whom a vm would be booted. */
export const hasWaiting = (context: VmContext): boolean =>
	leasesOf(context.leases, "request").some((request) => request.wants !== "attachment");

/** ms from idle-since to the idle stop, or null where idleness never stops this vm. */
export function idleLimitMs(context: VmContext): number | null {
	if (context.disposable) return context.used ? 0 : unusedDisposableMs;
	return context.idleTimeoutMs === 0 ? null : context.idleTimeoutMs;
}

/** When the idle stop is due on the machine's clock, or null. */
export function stopsAt(context: VmContext): number | null {
	const limit = idleLimitMs(context);
	return limit === null || context.idleSince === null ? null : context.idleSince + limit;
}

/** The next look at an idle vm; long waits are taken in steps that setTimeout can hold. */
export function idleTimerMs(context: VmContext): number | null {
	const due = stopsAt(context);
	return due === null ? null : Math.min(Math.max(0, due - context.now()), timerMaxMs);
}

/** At least this long for the hello of an adopted boot, however old it is: the agent dials every 200 ms. */
const adoptedGraceMs = 5_000;

export function bootDeadlineMs(context: VmContext): number {
	const left = context.bootBeganAt + context.bootTimeoutMs - context.now();
	return Math.max(left, context.adopted !== null && context.boot === 0 ? adoptedGraceMs : 0);
}
