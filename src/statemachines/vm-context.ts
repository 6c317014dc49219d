/** What a vm's machine knows. All times on one clock that stands still while the host sleeps, in ms. */
import type { BootStep, PhaseTimes } from "../protocol/boot-phases.ts";
import { type GuestReport, isAsReported, type Leases, leasesOf, noLeases } from "./leases.ts";
import type { Reason, VmSettings } from "./vm-events.ts";

/** People are told so long before an idle stop (contracts: Idleness). */
export const warningMs = 30_000;

/** A vm that has failed to boot so many times in a row is let be for a while, each time twice as long. */
export const failedBootsMax = 3;
const coolingMs = { first: 30_000, longest: 600_000 };

/** A boot may take twice as long as the slowest of late ones did, but not this many times the configured deadline. */
const bootTimeoutsMax = 4;

/** A disposable that was started without a command waits this long for its first (contracts: Idleness). */
export const unusedDisposableMs = 60_000;

/** How long a shutdown waits for an agent that is not connected: it dials every 200 ms (design: control connection). */
export const relinkMs = 1_000;

/** How long a guest that has been resumed may take to say something: its agent does at once or dials again, and beats every 5 s at the latest. */
export const hearMs = 6_000;

/** After a guest's heartbeat, until our answer to it has surely come to it, on a slow host as well. */
export const quietMs = 500;

/** Long enough for what lies in a socket already. */
export const listenMs = 250;

/** setTimeout's longest delay (2³¹ − 1 ms, nodejs.org/api/timers); a longer one would fire at once. */
const timerMaxMs = 2 ** 31 - 1;

export interface VmInput extends VmSettings {
	readonly name: string;
	readonly now: () => number;
	/** The slowest of its late boots, ms; 0 where none is known. */
	readonly slowestBootMs?: () => number;
	/** A vmm that an earlier broker left running. `saidHello`: it was ready, and its agent will dial again; `wasPaused`: once it is resumed. */
	readonly adopted: { readonly saidHello: boolean; readonly wasPaused?: boolean; readonly ageMs: number } | null;
	/** How it ended under an earlier broker, if that is known, and since when it is so. */
	readonly lastEnd?: { readonly reason: Reason; readonly since: number } | null;
	/** Boots in a row that have failed under earlier brokers, and when the last one did. */
	readonly failures?: { readonly boots: number; readonly since: number } | null;
}

export interface VmContext extends VmInput {
	readonly boot: number;
	/** Starts within this boot: 1, or 2 after the one retry. */
	readonly attempt: number;
	readonly phase: BootStep;
	readonly leases: Leases;
	/** The control connection is up. */
	readonly linked: boolean;
	/** Heartbeats are missing: unknown means busy. */
	readonly unresponsive: boolean;
	/** Its vmm is told not to run it, or is about to be: nothing is to be heard of it, and nobody served. */
	readonly paused: boolean;
	readonly pausedSince: number | null;
	/** Its vmm has not failed to pause it in this boot. */
	readonly canPause: boolean;
	/** For which instant people have been told that it will be stopped. */
	readonly announcedStopAt: number | null;
	/** A vmm runs, or may run. */
	readonly vmmAlive: boolean;
	/** Somebody has run something in this boot. */
	readonly used: boolean;
	readonly since: number;
	readonly bootBeganAt: number;
	/** This boot follows a reboot of its guest. */
	readonly rebooted: boolean;
	/** When the first of those asked for whom it boots. */
	readonly bootAskedAt: number;
	readonly bootMs: number | null;
	/** Of this boot, or the last one. */
	readonly phases: PhaseTimes;
	/** Boots that have failed since the last one that did not. */
	readonly failedBoots: number;
	/** Until then runs are refused, for it has failed to boot again and again. */
	readonly coolsUntil: number;
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
		paused: input.adopted?.wasPaused === true,
		pausedSince: null,
		canPause: true,
		announcedStopAt: null,
		vmmAlive: input.adopted !== null,
		used: false,
		since: now,
		bootBeganAt: input.adopted === null ? now : now - input.adopted.ageMs,
		/** Whom an adopted vm was booted for, nobody knows. */
		bootAskedAt: Number.NEGATIVE_INFINITY,
		rebooted: false,
		bootMs: null,
		phases: {},
		failedBoots: failedBefore(input),
		coolsUntil: input.failures ? input.failures.since + coolingAfter(input.failures.boots) : now,
		idleSince: null,
		reason: input.adopted === null ? (input.lastEnd?.reason ?? null) : null,
		firstFault: null,
	};
}

/** An adopted boot that has failed already fails again where it does not come up now. */
function failedBefore({ failures, adopted, now }: VmInput): number {
	if (!failures) return 0;
	const isOfAdopted = adopted !== null && failures.since >= now() - adopted.ageMs;
	return failures.boots - Number(isOfAdopted);
}

/** Nothing holds the vm, and we know it: a guest that we don't hear counts as busy. */
export const isUnused = (context: VmContext): boolean =>
	context.leases.size === 0 && context.linked && !context.unresponsive;

export const isAnswerable = (context: VmContext): boolean => context.linked && !context.unresponsive && !context.paused;

/** Somebody waits for whom a vm would be booted. */
export const hasWaiting = (context: VmContext): boolean =>
	leasesOf(context.leases, "request").some((request) => request.wants !== "attachment");

/** ms from idle-since to the idle stop, or null where idleness never stops this vm. */
export function idleLimitMs(context: VmContext): number | null {
	if (context.disposable) return context.used ? 0 : unusedDisposableMs;
	return context.idleTimeoutMs === 0 ? null : context.idleTimeoutMs;
}

/** When the event's sender was asked; never later than now. */
export const askedAtOf = (context: VmContext, event: { readonly askedAt?: number }): number =>
	Math.min(event.askedAt ?? Number.POSITIVE_INFINITY, context.now());

/** A guest that reboots again within this time of its last reboot does so in a circle: it is let be. */
const rebootCircleMs = 60_000;

/** A reboot of its guest is another boot, also where nobody waits for it. */
export const mayReboot = ({ rebootAction, disposable, rebooted, bootBeganAt, now }: VmContext): boolean =>
	rebootAction === "restart" && !disposable && !(rebooted && now() - bootBeganAt < rebootCircleMs);

/** Idleness pauses it first, and stops it later if at all. */
export const mayPause = ({ idleAction, disposable, canPause }: VmContext): boolean =>
	idleAction === "pause" && !disposable && canPause;

export type StopCause = "idle" | "pause" | "lifetime";

/**
 * What comes next by itself, on the machine's clock: the end of its idleTimeout (which may only pause it), of its pauseTimeout, or of
 * its life. Null: nothing does.
 */
export function nextDue(context: VmContext): { readonly at: number; readonly cause: StopCause } | null {
	const { idleSince, paused, pausedSince, pauseTimeoutMs, maxLifetimeMs, bootBeganAt } = context;
	const limit = idleLimitMs(context);
	const dues: { readonly at: number; readonly cause: StopCause }[] = [];
	if (idleSince !== null && limit !== null && !paused) dues.push({ at: idleSince + limit, cause: "idle" });
	if (pausedSince !== null && pauseTimeoutMs > 0) dues.push({ at: pausedSince + pauseTimeoutMs, cause: "pause" });
	if (maxLifetimeMs > 0) dues.push({ at: bootBeganAt + maxLifetimeMs, cause: "lifetime" });
	return dues.sort((a, b) => a.at - b.at)[0] ?? null;
}

/** What comes next, where that is a stop. */
export function nextStop(context: VmContext): ReturnType<typeof nextDue> {
	const due = nextDue(context);
	return due?.cause === "idle" && mayPause(context) ? null : due;
}

/** What is due now, or null. */
export function dueNow(context: VmContext): StopCause | null {
	const due = nextDue(context);
	return due !== null && context.now() >= due.at ? due.cause : null;
}

/** Until `at`, in a step that setTimeout can hold. */
export const timerMs = (context: VmContext, at: number): number =>
	Math.min(Math.max(0, at - context.now()), timerMaxMs);

/** How long a boot may take: longer than configured where it has taken long before. */
export function bootLimitMs({ bootTimeoutMs, slowestBootMs }: VmContext): number {
	const adapted = Math.min(2 * (slowestBootMs?.() ?? 0), bootTimeoutsMax * bootTimeoutMs);
	return Math.max(bootTimeoutMs, adapted);
}

/** For how long a vm is let be after so many failed boots in a row. */
function coolingAfter(boots: number): number {
	const tooMany = boots - failedBootsMax;
	return tooMany < 0 ? 0 : Math.min(coolingMs.first * 2 ** tooMany, coolingMs.longest);
}

/** After one more failed boot. */
export const coolsUntil = ({ failedBoots, now }: VmContext): number => now() + coolingAfter(failedBoots + 1);

/** At least this long for the hello of an adopted boot, however old it is: the agent dials every 200 ms. */
const adoptedGraceMs = 5_000;

export function bootDeadlineMs(context: VmContext): number {
	const left = context.bootBeganAt + bootLimitMs(context) - context.now();
	return Math.max(left, context.adopted !== null && context.boot === 0 ? adoptedGraceMs : 0);
}

/**
 * A heartbeat with this report would change nothing, and the machine need not be told: it rests, and knows all that the report
 * says. What a guest says while it is waited for is news, and so is all of another boot.
 */
export const isNoNews = (value: unknown, context: VmContext, boot: number, report: GuestReport): boolean =>
	(value === "ready" || isRunningIdle(value)) &&
	boot === context.boot &&
	context.linked &&
	!context.unresponsive &&
	isAsReported(context.leases, report);

const isRunningIdle = (value: unknown): boolean =>
	typeof value === "object" && value !== null && "idle" in value && value.idle === "running";
