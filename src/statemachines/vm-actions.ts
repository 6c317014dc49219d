/** What the vm machine does to its own context, and the answers it gives. No effects outside. */
import { heartbeatIntervalMs, heartbeatsMissedMax, ticketLifeMs } from "../protocol/limits.ts";
import { formatDuration } from "./duration.ts";
import { hasLease, type Lease, leasesOf, withGuestReport, withLease, withoutGuest, withoutLease } from "./leases.ts";
import { idleTimerMs, isAnswerable, type VmContext } from "./vm-context.ts";
import type { Reason, VmEvent } from "./vm-events.ts";
import { faultOf } from "./vm-reasons.ts";
import { vmSetup } from "./vm-setup.ts";

export const enter = vmSetup.assign({ since: ({ context }) => context.now(), idleSince: null });

/** A new boot: its deadline runs from here, through a retry. */
export const beginBoot = vmSetup.assign({
	boot: ({ context }) => context.boot + 1,
	attempt: 1,
	phase: "vmm",
	vmmAlive: true,
	used: false,
	adopted: null,
	bootBeganAt: ({ context }) => context.now(),
	bootMs: null,
	reason: null,
	firstFault: null,
});

export const beginRetry = vmSetup.assign({
	firstFault: ({ context, event }) => context.firstFault ?? faultOf(event),
	boot: ({ context }) => context.boot + 1,
	attempt: 2,
	phase: "vmm",
	vmmAlive: true,
});

export const notePhase = vmSetup.assign({
	phase: ({ context, event }) => (event.type === "boot.progressed" ? event.phase : context.phase),
});

const wants = { "run.requested": "session", "attach.requested": "attachment", "start.requested": "ready" } as const;

type Request = Extract<VmEvent, { readonly type: keyof typeof wants }>;

const isRequest = (event: VmEvent): event is Request => event.type in wants;

export const addRequest = vmSetup.assign({
	leases: ({ context, event }) => {
		if (!isRequest(event)) return context.leases;
		return withLease(context.leases, {
			kind: "request",
			id: event.request,
			label: event.type === "start.requested" ? "start" : event.label,
			since: context.now(),
			wants: wants[event.type],
		});
	},
});

export const dropRequest = vmSetup.assign({
	leases: ({ context, event }) => {
		if (event.type !== "request.withdrawn") return context.leases;
		return withoutLease(withoutLease(context.leases, "request", event.request), "ticket", event.request);
	},
});

/** The ticket is out: it now has its session, and its full life; also one whose lease ran out while it waited for its turn. */
export const noteGrant = vmSetup.enqueueActions(({ context, event, enqueue }) => {
	if (event.type !== "ticket.granted" || !context.vmmAlive) return;
	const { request: id, session, label } = event;
	const ticket = leasesOf(context.leases, "ticket").find((lease) => lease.id === id);
	let leases = withLease(context.leases, { kind: "ticket", id, label, since: context.now(), ...ticket, session });
	const announced = leasesOf(leases, "announced").find((lease) => lease.id === session);
	/** The guest has told of it already, by its number only. */
	if (announced !== undefined) leases = withLease(leases, { ...announced, label });
	enqueue.assign({ leases });
	armTicket(enqueue, context.boot, id);
});

export const expireTicket = vmSetup.assign({
	leases: ({ context, event }) =>
		event.type === "ticket.expired" ? withoutLease(context.leases, "ticket", event.request) : context.leases,
});

/** Answers everybody who waits, if the guest is there to serve them; who wants a ticket keeps the vm by it from then on. */
export const answerWaiting = vmSetup.enqueueActions(({ context, enqueue }) => {
	if (!isAnswerable(context)) return;
	let leases = context.leases;
	let used = context.used;
	for (const request of leasesOf(leases, "request")) {
		leases = withoutLease(leases, "request", request.id);
		if (request.wants !== "ready") {
			used = true;
			leases = withLease(leases, { kind: "ticket", id: request.id, label: request.label, since: context.now() });
			armTicket(enqueue, context.boot, request.id);
		}
		enqueue.emit({ type: "request.answered", request: request.id, refusal: null });
	}
	if (leases !== context.leases) enqueue.assign({ leases, used });
});

/** Who waits for a guest that does not answer waits no longer than for a boot. */
export const boundWait = vmSetup.enqueueActions(({ context, event, enqueue }) => {
	if (!isRequest(event) || isAnswerable(context)) return;
	enqueue.raise({ type: "request.overdue", request: event.request }, { delay: context.bootTimeoutMs });
});

export const refuseOverdue = vmSetup.enqueueActions(({ context, event, enqueue }) => {
	if (event.type !== "request.overdue" || !hasLease(context.leases, "request", event.request)) return;
	const refusal: Reason = {
		code: "Unresponsive",
		sentence: `its guest has not answered for ${formatDuration(context.bootTimeoutMs)}`,
		remedy: `qubes-lite stop --force ${context.name}`,
	};
	enqueue.assign({ leases: withoutLease(context.leases, "request", event.request) });
	enqueue.emit({ type: "request.answered", request: event.request, refusal });
});

/** Answers everybody who waits with the reason of the end. */
export const refuseWaiting = refuseWith((context) => {
	if (context.reason === null) return { code: "Internal", sentence: "it ended without a reason" };
	return context.reason;
});

/** Answers everybody who waits: a stop wins over their requests. */
export const refuseStopped = refuseWith((context) => ({
	code: "NotRunning",
	sentence: "it was stopped by request before the command could run",
	remedy: `qubes-lite start ${context.name}`,
}));

const notUp: Reason = { code: "NotRunning", sentence: "it is not up, and what ran in it has ended" };

/** What an attachment was for is gone with its boot: it does not wait for the next one. */
export const refuseAttachments = refuseWith(
	() => notUp,
	(request) => request.wants === "attachment",
);

export const refuseAttach = vmSetup.enqueueActions(({ event, enqueue }) => {
	if (event.type !== "attach.requested") return;
	enqueue.emit({ type: "request.answered", request: event.request, refusal: notUp });
});

function refuseWith(toRefusal: (context: VmContext) => Reason, isMeant: (request: Lease) => boolean = () => true) {
	return vmSetup.enqueueActions(({ context, enqueue }) => {
		let leases = context.leases;
		for (const request of leasesOf(leases, "request").filter(isMeant)) {
			leases = withoutLease(leases, "request", request.id);
			enqueue.emit({ type: "request.answered", request: request.id, refusal: toRefusal(context) });
		}
		if (leases !== context.leases) enqueue.assign({ leases });
	});
}

/** The guest said hello, or beat: what it reports are leases, and silence is counted from here. */
export const noteGuest = vmSetup.enqueueActions(({ context, event, enqueue }) => {
	if (event.type !== "guest.hello" && event.type !== "guest.heartbeat") return;
	const leases = withGuestReport(context.leases, event, context.now());
	const isUsed = [event.sessions, event.cgroups, event.tickets ?? []].some((ids) => ids.length > 0);
	const wasUsed = event.type === "guest.hello" && event.wasUsed;
	enqueue.assign({ leases, linked: true, unresponsive: false, used: context.used || isUsed || wasUsed });
	armSilence(enqueue, context.boot);
});

/** Counts silence also where nobody has said anything yet: an adopted vm whose agent never dials again. */
export const expectGuest = vmSetup.enqueueActions(({ context, enqueue }) => {
	if (!context.linked) armSilence(enqueue, context.boot);
});

export const noteSilence = vmSetup.assign({ unresponsive: true });
export const noteDisconnect = vmSetup.assign({ linked: false });
/** How long an adopted vm that was ready took to boot, nobody knows any more. */
export const noteReady = vmSetup.assign({
	bootMs: ({ context }) =>
		context.adopted?.saidHello === true ? null : (context.bootMs ?? context.now() - context.bootBeganAt),
	reason: null,
	firstFault: null,
});

export const noteIdle = vmSetup.assign({
	since: ({ context }) => context.now(),
	idleSince: ({ context }) => context.now(),
});

/** A request that needs no lease counts as use all the same. */
export const noteUse = vmSetup.assign({ idleSince: ({ context }) => context.now() });

export const armIdle = vmSetup.enqueueActions(({ context, enqueue }) => {
	const delay = idleTimerMs(context);
	if (delay !== null) enqueue.raise({ type: "idle.elapsed", boot: context.boot }, { delay, id: "idle" });
});

export const disarmIdle = vmSetup.enqueueActions(({ enqueue }) => {
	enqueue.cancel("idle");
});

/** The vmm has ended: what the guest held is gone; who waits still waits. */
export const forgetGuest = vmSetup.enqueueActions(({ context, enqueue }) => {
	enqueue.assign({ leases: withoutGuest(context.leases), linked: false, unresponsive: false, vmmAlive: false });
	enqueue.cancel("silence");
	enqueue("releaseVmm");
});

interface Raiser {
	raise(event: VmEvent, options: { delay: number; id: string }): void;
	cancel(id: string): void;
}

function armTicket(enqueue: Raiser, boot: number, request: number): void {
	const id = `ticket:${request}`;
	enqueue.cancel(id);
	enqueue.raise({ type: "ticket.expired", boot, request }, { delay: ticketLifeMs, id });
}

function armSilence(enqueue: Raiser, boot: number): void {
	enqueue.cancel("silence");
	enqueue.raise(
		{ type: "heartbeat.missed", boot },
		{ delay: heartbeatIntervalMs * heartbeatsMissedMax, id: "silence" },
	);
}
