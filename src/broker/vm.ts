/**
 * One vm: its machine, and the adapters that fill the machine's holes. The machine decides; here things are done, and
 * what happens is told to the machine with the boot that it belongs to.
 */
import type { RunningVmm } from "../activation/supervisor.ts";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { Expect } from "../protocol/control.ts";
import type { DisplayedWindow } from "../protocol/display.ts";
import { labelMaxChars } from "../protocol/limits.ts";
import { hasLease } from "../statemachines/leases.ts";
import type { VmContext } from "../statemachines/vm-context.ts";
import type { VmNotice } from "../statemachines/vm-events.ts";
import type { Clock } from "./clock.ts";
import type { DisplayEvent } from "./display-link.ts";
import { GuestRefusals } from "./guest-refusals.ts";
import { hear } from "./guest-words.ts";
import { Inhibitors } from "./inhibitors.ts";
import type { Instance } from "./instance.ts";
import { Instances, type InstancesDependencies } from "./instances.ts";
import type { SessionNews } from "./session-news.ts";
import { Silence } from "./silence.ts";
import { createVmActor, type VmActor, type VmEffects } from "./vm-actor.ts";
import { VmConfiguration } from "./vm-configuration.ts";
import { endedError, launchFailure } from "./vm-errors.ts";
import { VmGrants } from "./vm-grants.ts";
import { VmLog } from "./vm-log.ts";
import { type MemoryDependencies, VmMemory } from "./vm-memory.ts";
import { VmRequests, type Wish } from "./vm-requests.ts";

/** The agent gives commands this long to end; the machine's own bound for the whole power-off is longer. */
const guestGraceMs = 20_000;

export interface VmDependencies extends InstancesDependencies, MemoryDependencies {
	/** As fast as `now`. */
	readonly clock: Clock;
	/** Resolves when all of these vms are ready; rejects with why one can't be. */
	awaitReady(names: readonly string[]): Promise<void>;
}

/** `instance`: where it runs, or ran. */
export type SessionListener = (news: SessionNews, instance: Instance) => void;

export type DisplayListener = (event: DisplayEvent) => void;

export interface Adopted {
	readonly vmm: RunningVmm;
	readonly ageMs: number;
	/** Its vmm has been told not to run its guest. */
	readonly isPaused: boolean;
}

export class Vm {
	readonly configuration: VmConfiguration;
	readonly #dependencies: VmDependencies;
	readonly #memory: VmMemory;
	readonly #actor: VmActor;
	readonly #instances: Instances;
	readonly #refusals: GuestRefusals;
	readonly #requests: VmRequests;
	readonly #grants: VmGrants;
	readonly #silence: Silence;
	readonly #sessionListeners = new Set<SessionListener>();
	readonly #displayListeners = new Set<DisplayListener>();
	/** Those who keep it from stopping by idleness. */
	readonly inhibitors = new Inhibitors({
		clock: () => this.#dependencies.clock,
		tell: (event) => this.#actor.send(event),
		marks: () => this.#instances.current?.marks,
	});

	constructor(config: VmConfig, dependencies: VmDependencies, adopted: Adopted | null) {
		this.configuration = new VmConfiguration(config, {
			tell: (event) => this.#actor.send(event),
			instance: () => this.#instances.current,
		});
		this.#dependencies = dependencies;
		this.#memory = new VmMemory(config, dependencies);
		const log = new VmLog(config.name, dependencies.log, dependencies.now);
		this.#refusals = new GuestRefusals(config.name, dependencies.log);
		this.#instances = new Instances(
			{
				name: config.name,
				tell: (event) => this.#actor.send(event),
				heard: (boot, event) =>
					hear(boot, event, { actor: this.#actor, silence: this.#silence, log, refusals: this.#refusals }),
				session: (news, instance) => {
					for (const listener of this.#sessionListeners) listener(news, instance);
				},
				display: (boot, event) => {
					if (event.type === "state")
						this.#actor.send({ type: "windows.changed", boot, windows: toLeases(event.windows) });
					else if (event.type === "notice") log.display(event.message);
					for (const listener of this.#displayListeners) listener(event);
				},
				isBooting: () => this.snapshot().state === "booting",
				boot: () => this.snapshot().context.boot,
			},
			dependencies,
		);
		if (adopted !== null) this.configuration.adopted(this.#instances.adopt(adopted.vmm));
		this.#silence = new Silence(dependencies.clock, (boot) => this.#actor.send({ type: "heartbeat.missed", boot }));
		this.#actor = createVmActor(this.#effects(), dependencies.clock, {
			name: config.name,
			...this.configuration.lifecycle,
			now: dependencies.now,
			...this.#memory.input,
			adopted: adopted === null ? null : this.#instances.adoptedAs(adopted),
		});
		this.#requests = new VmRequests({
			vm: () => this.config,
			refusals: this.#refusals,
			consoleTail: () => this.#instances.consoleTail(),
			isForgotten: () => this.isForgotten,
			isServing: () => ["ready", "idle"].includes(this.snapshot().state),
			tell: (event) => this.#actor.send(event),
			awaitReady: (names) => dependencies.awaitReady(names),
		});
		this.#grants = new VmGrants({
			vm: () => this.config,
			current: () => this.#instances.current,
			lastReason: () => this.snapshot().context.reason,
			leases: () => this.snapshot().context.leases,
			watch: (listener) => this.watch(listener),
			tell: (event) => this.#actor.send(event),
			clock: dependencies.clock,
		});
		this.#actor.on("request.answered", ({ request, refusal }) => this.#requests.answer(request, refusal));
		this.#memory.follow(this.#actor, log, {
			next: () => this.configuration.next,
			accelerator: () => this.#instances.current?.accelerator ?? null,
		});
		let isUp = false;
		this.#actor.subscribe(() => {
			const wasUp = isUp;
			isUp = this.isUp;
			if (wasUp && !isUp) this.#instances.atRest();
		});
	}

	#effects(): VmEffects {
		return {
			awaitDependencies: (context) => void this.#awaitDependencies(context),
			launchVmm: (context) => this.#launch(context),
			takeVmm: (context) => this.#take(context),
			askPoweroff: () => this.#instances.current?.powerOff(guestGraceMs),
			pressPowerButton: () => this.#instances.current?.pressPowerButton(),
			pauseVmm: ({ boot }) => this.#instances.pause(boot),
			resumeVmm: ({ boot }) => this.#instances.resume(boot),
			countSilence: ({ boot }) => this.#silence.count(boot),
			ignoreSilence: () => this.#silence.ignore(),
			terminateVmm: () => this.#instances.current?.terminate(),
			killVmm: () => this.#instances.current?.kill(),
			releaseVmm: ({ reason }) => this.#instances.release(this.config, reason),
			endBoot: () => this.configuration.released(),
		};
	}

	/** How long it takes to boot, ms; null where that is not known. */
	get usualBootMs(): number | null {
		return this.#memory.usualBootMs;
	}

	get config(): VmConfig {
		return this.configuration.current;
	}

	/** A paused guest would lose its connections with this broker. Never rejects. */
	async wake(): Promise<void> {
		if (this.snapshot().context.paused) await this.#instances.current?.control.resume().catch(() => {});
	}

	/** Somebody asks for it now, which has been kept ready. */
	claim(): void {
		const { context } = this.snapshot();
		this.configuration.claim(context.now() - context.bootBeganAt);
	}

	/** Another vm, which depends on this one, is up, or is not. */
	dependant({ id, name }: VmConfig, isUp: boolean): void {
		if (isUp === hasLease(this.snapshot().context.leases, "dependant", id)) return;
		this.#actor.send(isUp ? { type: "dependant.came", vm: id, label: name } : { type: "dependant.went", vm: id });
	}

	/** Calls `listener` with what the machine says without being asked, until the returned function is called. */
	notices(listener: (notice: VmNotice) => void): () => void {
		const types = ["stop.announced", "stop.averted", "boot.finished"] as const;
		const subscriptions = types.map((type) => this.#actor.on(type, listener));
		return () => {
			for (const subscription of subscriptions) subscription.unsubscribe();
		};
	}

	/** Calls `listener` when a session begins or ends in it, until the returned function is called. */
	watchSessions(listener: SessionListener): () => void {
		this.#sessionListeners.add(listener);
		return () => this.#sessionListeners.delete(listener);
	}

	/** Calls `listener` with what its display tells, until the returned function is called. */
	watchDisplay(listener: DisplayListener): () => void {
		this.#displayListeners.add(listener);
		return () => this.#displayListeners.delete(listener);
	}

	/** It has ended, and its registry does not know it any more: it must not boot again. */
	isForgotten = false;

	/** Begins; for an adopted vm also opens its link, so that its agent can dial again. Never rejects: other vms go on. */
	async start(): Promise<void> {
		this.#actor.start();
		this.inhibitors.awaitEarlier();
		await this.#instances.openLink();
	}

	/** The machine's state and context, and the vmm where one runs. */
	snapshot(): { state: string; context: VmContext; instance: Instance | undefined } {
		const { value, context } = this.#actor.getSnapshot();
		return {
			state: typeof value === "string" ? value : (Object.keys(value)[0] ?? ""),
			context,
			instance: this.#instances.current,
		};
	}

	/** A vmm runs, or is about to. */
	get isUp(): boolean {
		const { state, context } = this.snapshot();
		return context.vmmAlive || (state !== "stopped" && state !== "failed");
	}

	/** It may run, although there is no instance: who keeps it does not answer. */
	get isHidden(): boolean {
		return this.#instances.isHidden;
	}

	/** Calls `listener` after every step of the machine, until the returned function is called. */
	watch(listener: () => void): () => void {
		const subscription = this.#actor.subscribe(listener);
		return () => subscription.unsubscribe();
	}

	/**
	 * Asks the machine, which boots the vm where needed. Resolves when it is there; rejects with the machine's reason.
	 * `withdraw` must be called when the requester is gone.
	 */
	request(request: number, wish: Wish): Promise<void> {
		return this.#requests.ask(request, wish);
	}

	withdraw(request: number): void {
		this.#requests.withdraw(request);
	}

	/**
	 * Announces a ticket to the agent; resolves with the session's number once the agent holds it. Rejects with GuestGoingDown
	 * where the guest powers off by itself, and with AgentAway: nothing has been run, and the next boot, or hello, can serve.
	 */
	grant(request: number, label: string, ticket: Omit<Expect, "session">): Promise<number> {
		return this.#grants.grant(request, label, ticket);
	}

	/** What ended under a request that had been answered; undefined: before anybody saw it. */
	gone(instance: Instance | undefined): QubesLiteError {
		return this.#grants.gone(instance);
	}

	stop(force: boolean, askedAt: number): void {
		this.#requests.stopped(askedAt);
		this.#actor.send({ type: "stop.requested", force, askedAt });
	}

	/** Its guest powers off by itself, as somebody had to hear who asked it at `askedAt`. Nobody wanted that: who waits goes on waiting, and what boots since then stays. */
	goesDown(askedAt: number): void {
		this.#actor.send({ type: "stop.requested", force: false, askedAt });
	}

	async #awaitDependencies({ boot, dependsOn }: VmContext): Promise<void> {
		try {
			/** Other machines take their steps after this one's, not in the middle of it. */
			await null;
			await this.#dependencies.awaitReady(dependsOn);
			this.#actor.send({ type: "dependencies.ready", boot });
		} catch (cause) {
			this.#actor.send({ type: "dependencies.failed", boot, failure: launchFailure(QubesLiteError.from(cause)) });
		}
	}

	#launch({ boot, attempt }: VmContext): void {
		if (attempt === 1) this.#refusals.forget();
		this.#instances.launch(boot, this.configuration.launched());
		this.inhibitors.mark();
		this.configuration.mark();
	}

	/** Somebody else has started it. */
	appear(vmm: RunningVmm): void {
		this.#instances.appear(vmm);
	}

	#take({ boot }: VmContext): void {
		this.#refusals.forget();
		this.configuration.taken(this.#instances.take(boot));
		this.inhibitors.mark();
	}

	/** Resolves when nothing of an ended vmm is left. */
	settled(): Promise<void> {
		return this.#instances.settled();
	}

	/** Why `instance` ended under a session: the vm itself may be up again by now, and have no reason for anything. */
	async endError(instance: Instance): Promise<QubesLiteError> {
		await this.settled();
		return endedError(this.config, instance.endReason, "running");
	}
}

/** Titles are the guest's, and as long as they are. */
const toLeases = (windows: readonly DisplayedWindow[]): { id: number; label: string }[] =>
	windows.map(({ id, title }) => ({ id, label: title.slice(0, labelMaxChars) }));
