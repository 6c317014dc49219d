/** Who asks a vm's machine for something, and what they are answered: each request once. */
import { ticketLifeMs } from "../protocol/limits.ts";
import { formatDuration } from "./duration.ts";
import { hasLease, type Lease, leasesOf, withLease, withoutLease } from "./leases.ts";
import { askedAtOf, isAnswerable, type VmContext } from "./vm-context.ts";
import type { Reason, VmEvent } from "./vm-events.ts";
import { vmSetup } from "./vm-setup.ts";

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
			since: askedAtOf(context, event),
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
export const refuseWaiting = refuseWith(reasonOf);

/** Answers everybody who asked before the stop, which wins over their requests; who asked after it waits for the next boot. */
export const stoppedBefore = (vm: string, wants: Lease["wants"]): Reason => ({
	code: "NotRunning",
	sentence: `it was stopped by request before ${wants === "ready" ? "it was ready" : "the command could run"}`,
	remedy: `qubes-lite start ${vm}`,
});

export const refuseStopped = refuseWith(
	(context, request) => stoppedBefore(context.name, request.wants),
	(request, context, event) => event.type === "stop.requested" && request.since <= askedAtOf(context, event),
);

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

/** Somebody has just tried, again and again: `start` tries all the same. */
export const refuseCooling = vmSetup.enqueueActions(({ context, event, enqueue }) => {
	if (event.type !== "run.requested" && event.type !== "start.requested") return;
	const { sentence, remedy } = reasonOf(context);
	const still = formatDuration(context.coolsUntil - context.now());
	const refusal: Reason = {
		code: "BootFailed",
		sentence: `it has failed to boot ${context.failedBoots} times in a row (the last time: ${sentence}), and is let be for another ${still}`,
		remedy:
			remedy === undefined
				? `qubes-lite start ${context.name}   # tries at once`
				: `${remedy}   # and then, to try at once: qubes-lite start ${context.name}`,
	};
	enqueue.emit({ type: "request.answered", request: event.request, refusal });
});

function reasonOf({ reason }: VmContext): Reason {
	return reason ?? { code: "Internal", sentence: "it ended without a reason" };
}

function refuseWith(
	toRefusal: (context: VmContext, request: Lease) => Reason,
	isMeant: (request: Lease, context: VmContext, event: VmEvent) => boolean = () => true,
) {
	return vmSetup.enqueueActions(({ context, event, enqueue }) => {
		let leases = context.leases;
		for (const request of leasesOf(leases, "request").filter((one) => isMeant(one, context, event))) {
			leases = withoutLease(leases, "request", request.id);
			enqueue.emit({ type: "request.answered", request: request.id, refusal: toRefusal(context, request) });
		}
		if (leases !== context.leases) enqueue.assign({ leases });
	});
}

interface Raiser {
	raise(event: VmEvent, options: { delay: number; id: string }): void;
	cancel(id: string): void;
}

function armTicket(enqueue: Raiser, boot: number, request: number): void {
	const id = `ticket:${request}`;
	enqueue.cancel(id);
	enqueue.raise({ type: "ticket.expired", boot, request }, { delay: ticketLifeMs, id });
}
