/** What a run and an attachment have in common: from the question to the ticket, and on until the client is gone. The broker carries none of their bytes. */
import { randomBytes } from "node:crypto";
import { AgentAway, GuestGoingDown } from "../guest/guest-link.ts";
import { encodeGranted, encodeNotice, encodeReady } from "../protocol/broker.ts";
import { sha256Hex } from "../protocol/exec.ts";
import { ticketBytes, ticketLifeMs } from "../protocol/limits.ts";
import { poweredOff } from "../statemachines/vm-reasons.ts";
import { ClaimRace } from "./claim-race.ts";
import type { SessionClient } from "./client-connection.ts";
import { untilImpatient } from "./client-patience.ts";
import type { Clock } from "./clock.ts";
import type { Instance } from "./instance.ts";
import { reportProgress } from "./report-progress.ts";
import type { Command } from "./session-book.ts";
import type { Vm } from "./vm.ts";
import { bootTooSlow, endedError } from "./vm-errors.ts";

export interface Opening {
	/** Unique for the life of this broker. */
	readonly request: number;
	readonly vm: Vm;
	/** Another one for the same, where `vm` is not there soon. Throws where there can't be one. */
	fresh?(): Vm;
	readonly type: "run.requested" | "attach.requested";
	/** What a person would call it. */
	readonly label: string;
	/** null: it attaches to one that runs. */
	readonly command: Command | null;
	/** The exec or attach bytes, which the ticket is for. */
	readonly bytes: Buffer;
	/** The session to attach to; null opens one. */
	readonly attachTo: number | null;
	/** On the machine's clock. */
	readonly askedAt: number;
	/** 0: no bound but the boot's own. */
	readonly timeoutMs: number;
	/** A vm that is going down is booted again. */
	readonly mayBoot: boolean;
	/** The client's process. */
	readonly pid: number;
	readonly now: () => number;
	readonly clock: Clock;
}

/** Resolves when the client is gone; rejects with what the client must be told, also when its vm ended under it. */
export async function serveSession(client: SessionClient, opening: Opening): Promise<void> {
	const { request, type, label, askedAt, clock, now, fresh } = opening;
	const ask = (vm: Vm): Promise<void> => vm.request(request, { type, label, askedAt });
	const withdraw = (vm: Vm): void => vm.withdraw(request);
	const race = new ClaimRace({ first: opening.vm, ...(fresh && { fresh }), ask, withdraw, clock, now });
	const beganAt = now();
	let stopProgress = (): void => {};
	const begun = (): void => {
		stopProgress();
		stopProgress = reportProgress(client, race.current, now, beganAt);
	};
	begun();
	try {
		await bounded(client, opening, race.run(begun), () => race.current);
		if (client.gone.aborted) return;
		stopProgress();
		const vm = race.current;
		const grantedAt = now();
		await grant(client, vm, opening).catch(async (cause: unknown) => {
			const isGoingDown = cause instanceof GuestGoingDown;
			if (!(isGoingDown || cause instanceof AgentAway) || !opening.mayBoot) throw cause;
			const isInstance = vm.config.instanceOf !== undefined;
			/** What has ended for good is known to nobody any more, and an instance's TAP may be another one's. */
			if (isGoingDown && (vm.isForgotten || (isInstance && !vm.isUp)))
				throw endedError(vm.config, poweredOff, "starting");
			/** An instance ends when nobody waits for it, be it for a moment. */
			if (!isGoingDown && isInstance) throw cause;
			/** A broker before us may have asked it to power off, and we learn of it here: the request waits, for the next hello or the next boot. */
			withdraw(vm);
			const { state } = vm.snapshot();
			/** Once is enough: a second stop would refuse those who wait for the next boot already. */
			if (isGoingDown && (state === "ready" || state === "idle")) vm.goesDown(grantedAt);
			begun();
			await bounded(client, opening, ask(vm), () => vm);
			stopProgress();
			if (!client.gone.aborted) await grant(client, vm, opening);
		});
	} finally {
		stopProgress();
		race.end();
	}
}

async function grant(client: SessionClient, vm: Vm, opening: Opening): Promise<void> {
	const { request, bytes, attachTo, label, command, pid } = opening;
	const { instance } = vm.snapshot();
	const boot = instance?.bootTag ?? null;
	if (instance?.plan === undefined || boot === null) throw vm.gone(instance);
	client.send(encodeReady({ vm: vm.config.name, boot, vsock: instance.plan.vsock }));
	const ticket = randomBytes(ticketBytes);
	const hashes = { ticketHash: sha256Hex(ticket), execHash: sha256Hex(bytes) };
	const number = await vm.grant(request, label, { ...hashes, lifeMs: ticketLifeMs });
	/** Before it has its ticket: whatever happens to us, a broker that comes later knows whom to look for. */
	instance.clientCame(number, { session: attachTo ?? number, pid });
	client.send(encodeGranted({ ticket, session: number }));
	if (command !== null) instance.book.begun(number, command);
	await keepConnected(client, { vm, instance, number });
}

export interface Connected {
	readonly vm: Vm;
	readonly instance: Instance;
	/** Of the ticket that it came with: a session's, or an attachment's. */
	readonly number: number;
}

/** Resolves when the client has left, and the agent was told; rejects with the reason when the vm ended first. */
export async function keepConnected(client: SessionClient, { vm, instance, number }: Connected): Promise<void> {
	const unwatch = vm.watchDisplay((event) => {
		if (event.type === "notice") client.send(encodeNotice(event));
	});
	const ended = await untilGoneOrEnded(client, vm, instance).finally(unwatch);
	if (ended) throw await vm.endError(instance);
	instance.clientGone(number);
}

/** True when the instance ended under the client, false when the client left first. */
function untilGoneOrEnded(client: SessionClient, vm: Vm, instance: Instance): Promise<boolean> {
	return new Promise((resolve) => {
		const finish = (ended: boolean): void => {
			unwatch();
			resolve(ended);
		};
		const look = (): void => {
			if (vm.snapshot().instance !== instance) finish(true);
		};
		const unwatch = vm.watch(look);
		if (client.gone.aborted) finish(false);
		else client.gone.addEventListener("abort", () => finish(false), { once: true });
		look();
	});
}

/** `vm`: the one that is waited for then. */
const bounded = (client: SessionClient, { timeoutMs }: Opening, asked: Promise<void>, vm: () => Vm): Promise<void> =>
	untilImpatient(client, asked, { timeoutMs, tooSlow: () => bootTooSlow(vm().config, timeoutMs) });
