/** What the vm machine does to its own context. No effects outside. */
import { leasesOf, withGuestReport, withLease, withoutGuest, withoutLease, withWindows } from "./leases.ts";
import { coolsUntil, mayReboot, nextDue, nextStop, timerMs, warningMs } from "./vm-context.ts";
import { faultOf, stopSentences } from "./vm-reasons.ts";
import { vmSetup } from "./vm-setup.ts";

/** A vm that was stopped before has been so for longer. */
export const enter = vmSetup.assign({
	since: ({ context }) => context.lastEnd?.since ?? context.now(),
	lastEnd: null,
	idleSince: null,
});

/** A new boot. */
export const beginBoot = vmSetup.assign({
	boot: ({ context }) => context.boot + 1,
	attempt: 1,
	used: false,
	adopted: null,
	bootAskedAt: ({ context }) =>
		Math.min(context.now(), ...leasesOf(context.leases, "request").map((request) => request.since)),
	bootMs: null,
	phases: {},
	canPause: true,
	reason: null,
	firstFault: null,
});

/** Whether what boots next does so by its guest's will. */
export const noteReboot = vmSetup.assign({
	rebooted: ({ context, event }) => event.type === "vmm.exited" && event.rebooted === true && mayReboot(context),
});
export const forgetReboot = vmSetup.assign({ rebooted: false });

export const beginNeeding = vmSetup.assign({ phase: "dependencies" });

/** Its deadline runs from here, through a retry; the vms that it needs have taken their own time. */
export const beginLaunch = vmSetup.assign({
	phase: "vmm",
	vmmAlive: true,
	bootBeganAt: ({ context: { attempt, bootBeganAt, now } }) => (attempt === 1 ? now() : bootBeganAt),
});

export const beginRetry = vmSetup.assign({
	firstFault: ({ context, event }) => context.firstFault ?? faultOf(event),
	boot: ({ context }) => context.boot + 1,
	attempt: 2,
	phases: {},
});

export const notePhase = vmSetup.assign(({ context, event }) => {
	if (event.type !== "boot.progressed") return {};
	const { phase } = event;
	return { phase, phases: { [phase]: context.now() - context.bootBeganAt, ...context.phases } };
});

/** One more in a row. */
export const noteFailedBoot = vmSetup.assign({
	failedBoots: ({ context }) => context.failedBoots + 1,
	coolsUntil: ({ context }) => coolsUntil(context),
});

export const noteInhibitor = vmSetup.assign({
	leases({ context: { leases, now }, event }) {
		if (event.type === "inhibit.released") return withoutLease(leases, "inhibitor", event.inhibitor);
		if (event.type !== "inhibit.requested") return leases;
		return withLease(leases, { kind: "inhibitor", id: event.inhibitor, label: event.label, since: now() });
	},
});

export const noteWindows = vmSetup.assign(({ context, event }) => {
	if (event.type !== "windows.changed") return {};
	const { leases, now, used } = context;
	return { leases: withWindows(leases, event.windows, now()), used: used || event.windows.length > 0 };
});

export const noteDependant = vmSetup.assign({
	leases({ context: { leases, now }, event }) {
		if (event.type === "dependant.went") return withoutLease(leases, "dependant", event.vm);
		if (event.type !== "dependant.came") return leases;
		return withLease(leases, { kind: "dependant", id: event.vm, label: event.label, since: now() });
	},
});

/** The guest said hello, or beat: what it reports are leases, and silence is counted from here. */
export const noteGuest = vmSetup.enqueueActions(({ context, event, enqueue }) => {
	if (event.type !== "guest.hello" && event.type !== "guest.heartbeat") return;
	const leases = withGuestReport(context.leases, event, context.now());
	const isUsed = [event.sessions, event.cgroups, event.tickets ?? []].some((ids) => ids.length > 0);
	const wasUsed = event.type === "guest.hello" && event.wasUsed;
	enqueue.assign({ leases, linked: true, unresponsive: false, used: context.used || isUsed || wasUsed });
	if (!context.paused) enqueue("countSilence");
});

/** Counts silence also where nobody has said anything yet: an adopted vm whose agent never dials again. */
export const expectGuest = vmSetup.enqueueActions(({ context, enqueue }) => {
	if (!context.linked) enqueue("countSilence");
});

export const noteSilence = vmSetup.assign({ unresponsive: true });
export const noteDisconnect = vmSetup.assign({ linked: false });
/** How long an adopted vm that was ready took to boot, nobody knows any more. */
export const noteReady = vmSetup.enqueueActions(({ context, enqueue }) => {
	const isFirst = context.bootMs === null && context.adopted?.saidHello !== true;
	const bootMs = isFirst ? context.now() - context.bootBeganAt : context.bootMs;
	enqueue.assign({ bootMs, reason: null, firstFault: null, failedBoots: 0, coolsUntil: context.now() });
	if (isFirst && bootMs !== null) enqueue.emit({ type: "boot.finished", ms: bootMs, phases: context.phases });
});

export const noteIdle = vmSetup.assign({
	since: ({ context }) => context.now(),
	idleSince: ({ context }) => context.now(),
});

/** A request that needs no lease counts as use all the same. */
export const noteUse = vmSetup.assign({ idleSince: ({ context }) => context.now() });

/** Another configuration is also a new chance for a vm that has failed to boot again and again. */
export const noteSettings = vmSetup.assign(({ context, event }) => {
	if (event.type !== "settings.changed") return {};
	const { type: _, isConfigured, ...settings } = event;
	return isConfigured ? { ...settings, failedBoots: 0, coolsUntil: context.now() } : settings;
});

/**
 * Sets the timers for what comes next by itself, from what holds now; what has been announced and no longer comes at that
 * instant is called off.
 */
export const armDue = vmSetup.enqueueActions(({ context, enqueue }) => {
	const due = nextDue(context);
	const stop = nextStop(context);
	const { boot } = context;
	enqueue.cancel("due");
	enqueue.cancel("near");
	if (context.announcedStopAt !== null && stop?.at !== context.announcedStopAt) {
		enqueue.assign({ announcedStopAt: null });
		enqueue.emit({ type: "stop.averted" });
	}
	if (due !== null) enqueue.raise({ type: "stop.due", boot }, { delay: timerMs(context, due.at), id: "due" });
	if (stop === null || stop.at === context.announcedStopAt || stop.at <= context.now()) return;
	enqueue.raise({ type: "stop.near", boot }, { delay: timerMs(context, stop.at - warningMs), id: "near" });
});

/** A timer that setTimeout can't hold in one step looks again. */
export const announceStop = vmSetup.enqueueActions(({ context, enqueue }) => {
	const stop = nextStop(context);
	if (stop === null || stop.at - warningMs > context.now()) return;
	enqueue.assign({ announcedStopAt: stop.at });
	enqueue.emit({ type: "stop.announced", at: stop.at, sentence: stopSentences[stop.cause](context) });
});

export const disarmDue = vmSetup.enqueueActions(({ enqueue }) => {
	enqueue.cancel("due");
	enqueue.cancel("near");
});

/** From here on its guest can't be heard, and is not missed. */
export const beginPause = vmSetup.enqueueActions(({ enqueue }) => {
	enqueue.assign({ paused: true });
	enqueue("ignoreSilence");
	enqueue("pauseVmm");
});

export const notePaused = vmSetup.assign({ pausedSince: ({ context }) => context.now() });

/** Its guest runs again: silence counts from here. */
export const noteResumed = vmSetup.enqueueActions(({ enqueue }) => {
	enqueue.assign({ paused: false, pausedSince: null });
	enqueue("countSilence");
});

/** Whether its guest runs nobody knows, until it is heard. */
export const noteUnpausable = vmSetup.assign({ paused: false, pausedSince: null, unresponsive: true, canPause: false });

/** The vmm has ended, and another one follows in the same boot: what the guest held is gone; who waits still waits. */
export const forgetAttempt = vmSetup.enqueueActions(({ context, enqueue }) => {
	enqueue.assign({
		...{ leases: withoutGuest(context.leases), linked: false, unresponsive: false, vmmAlive: false },
		...{ paused: false, pausedSince: null, announcedStopAt: null },
	});
	enqueue("ignoreSilence");
	enqueue("releaseVmm");
});

/** The boot has ended with its vmm. */
export const forgetGuest = vmSetup.enqueueActions(({ enqueue }) => {
	enqueue(forgetAttempt);
	enqueue("endBoot");
});
