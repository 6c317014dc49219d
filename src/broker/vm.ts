/**
 * One vm: its machine, and the adapters that fill the machine's holes. The machine decides; here things are done, and
 * what happens is told to the machine with the boot that it belongs to.
 */
import type { RunningVmm } from "../activation/supervisor.ts";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { GuestEvent } from "../guest/guest-link.ts";
import type { Expect } from "../protocol/control.ts";
import { type GuestReport, hasLease } from "../statemachines/leases.ts";
import { isNoNews, type VmContext } from "../statemachines/vm-context.ts";
import type { VmNotice } from "../statemachines/vm-events.ts";
import { type BootsDependencies, VmBoots } from "./boot-history.ts";
import type { Clock } from "./clock.ts";
import { EffectiveConfig, type Overrides } from "./effective-config.ts";
import { VmFailures } from "./failed-boots.ts";
import { GuestRefusals } from "./guest-refusals.ts";
import { Inhibitors } from "./inhibitors.ts";
import type { Instance } from "./instance.ts";
import { Instances, type InstancesDependencies } from "./instances.ts";
import { type EndsDependencies, VmEnds } from "./last-ends.ts";
import { Silence } from "./silence.ts";
import { createVmActor, type VmActor, type VmEffects } from "./vm-actor.ts";
import { endedError, launchFailure, notRunning } from "./vm-errors.ts";
import { VmGrants } from "./vm-grants.ts";
import { VmLog } from "./vm-log.ts";
import { VmRequests } from "./vm-requests.ts";

/** The agent gives commands this long to end; the machine's own bound for the whole power-off is longer. */
const guestGraceMs = 20_000;

/** What somebody wants of a vm, in the machine's words. */
export type Wish = { readonly askedAt: number } & (
	| { readonly type: "run.requested" | "attach.requested"; readonly label: string }
	| { readonly type: "start.requested"; readonly forOther?: true }
);

export interface VmDependencies extends InstancesDependencies, EndsDependencies, BootsDependencies {
	/** As fast as `now`. */
	readonly clock: Clock;
	/** Resolves when all of these vms are ready; rejects with why one can't be. */
	awaitReady(names: readonly string[]): Promise<void>;
}

export interface Adopted {
	readonly vmm: RunningVmm;
	readonly ageMs: number;
	/** Its vmm has been told not to run its guest. */
	readonly isPaused: boolean;
}

export class Vm {
	readonly #config: EffectiveConfig;
	readonly #dependencies: VmDependencies;
	readonly #ends: VmEnds;
	readonly #boots: VmBoots;
	readonly #actor: VmActor;
	readonly #instances: Instances;
	readonly #refusals: GuestRefusals;
	readonly #log: VmLog;
	readonly #requests: VmRequests;
	readonly #grants: VmGrants;
	readonly #silence: Silence;
	/** Those who keep it from stopping by idleness. */
	readonly inhibitors = new Inhibitors({
		clock: () => this.#dependencies.clock,
		tell: (event) => this.#actor.send(event),
		marks: () => this.#instances.current?.marks,
	});

	constructor(config: VmConfig, dependencies: VmDependencies, adopted: Adopted | null) {
		this.#config = new EffectiveConfig(config);
		this.#dependencies = dependencies;
		this.#ends = new VmEnds(config, dependencies);
		this.#boots = new VmBoots(config, dependencies);
		this.#log = new VmLog(config.name, dependencies.log, dependencies.now);
		this.#refusals = new GuestRefusals(config.name, dependencies.log);
		this.#instances = new Instances(
			{
				name: config.name,
				tell: (event) => this.#actor.send(event),
				heard: (boot, event) => this.#guest(boot, event),
				isBooting: () => this.snapshot().state === "booting",
				boot: () => this.snapshot().context.boot,
			},
			dependencies,
		);
		if (adopted !== null) this.#config.override(this.#instances.adopt(adopted.vmm));
		const failures = new VmFailures(config, dependencies);
		this.#silence = new Silence(dependencies.clock, (boot) => this.#actor.send({ type: "heartbeat.missed", boot }));
		this.#actor = createVmActor(this.#effects(), dependencies.clock, {
			name: config.name,
			...this.#config.lifecycle,
			now: dependencies.now,
			lastEnd: this.#ends.last,
			failures: failures.before,
			slowestBootMs: () => this.#boots.slowestMs,
			adopted: adopted === null ? null : this.#instances.adoptedAs(adopted),
		});
		this.#requests = new VmRequests({
			vm: () => this.config,
			refusals: this.#refusals,
			consoleTail: () => this.#instances.consoleTail(),
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
		this.#actor.on("boot.finished", (boot) => {
			const { context, instance } = this.snapshot();
			/** A retry says more of what failed before it. */
			if (context.attempt === 1) this.#boots.note(boot, instance?.accelerator ?? null);
		});
		let isUp = false;
		this.#actor.subscribe((snapshot) => {
			if (this.#log.state(snapshot.value, snapshot.context)) this.#ends.note(snapshot.value, snapshot.context);
			failures.note(this.nextConfig, snapshot.context);
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
			endBoot: () => {
				if (this.#config.released()) this.#settingsChanged();
			},
		};
	}

	/** How long it takes to boot, ms; null where that is not known. */
	get usualBootMs(): number | null {
		return this.#boots.usualMs;
	}

	get config(): VmConfig {
		return this.#config.current;
	}

	/** As it will be from its next boot on. */
	get nextConfig(): VmConfig {
		return this.#config.next;
	}

	/** What has been set until what runs has ended. */
	get overrides(): Overrides {
		return this.#config.overrides;
	}

	/** Its lifecycle holds at once; the rest from its next boot on. */
	configure(config: VmConfig): void {
		this.#config.configure(config, this.#instances.current !== undefined);
		this.#actor.send({ type: "settings.changed", ...this.#config.lifecycle, isConfigured: true });
	}

	/** Holds at once, and until what runs has ended; also under a broker that comes later. Throws NotRunning. */
	override(overrides: Overrides): void {
		if (this.#instances.current === undefined)
			throw notRunning(this.config, "so there is nothing to set until its stop");
		this.#config.override(overrides);
		this.#markOverrides();
		this.#settingsChanged();
	}

	#markOverrides(): void {
		const { current } = this.#instances;
		if (current !== undefined) current.marks.overrides = this.overrides;
	}

	/** What it is made from may be another by the time that another broker looks. */
	#markBounds({ instanceOf, maxLifetimeMs, shutdown }: VmConfig): void {
		const { current } = this.#instances;
		if (instanceOf !== undefined && current !== undefined) current.marks.bounds = { maxLifetimeMs, shutdown };
	}

	/** Before it boots: nobody asks for it yet, and it is paused as soon as it is up. */
	preload(): void {
		this.#config.preload();
		this.#settingsChanged();
	}

	/** A paused guest would lose its connections with this broker. Never rejects. */
	async wake(): Promise<void> {
		if (this.snapshot().context.paused) await this.#instances.current?.resume().catch(() => {});
	}

	/** Somebody asks for it now. */
	claim(): void {
		const { context } = this.snapshot();
		this.#config.claim(context.now() - context.bootBeganAt);
		this.#markBounds(this.config);
		this.#settingsChanged();
	}

	#settingsChanged(): void {
		this.#actor.send({ type: "settings.changed", ...this.#config.lifecycle });
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
		const needed = this.#needed(wish);
		if (needed === null) return this.#requests.ask(request, null, () => this.#actor.send({ ...wish, request }));
		/** Who waits for another vm first holds this one. */
		this.#actor.send({ type: "inhibit.requested", inhibitor: request, label: "a run that waits for what it needs" });
		const release = (): void => this.#actor.send({ type: "inhibit.released", inhibitor: request });
		const come = needed.catch((cause: unknown) => {
			release();
			throw cause;
		});
		return this.#requests.ask(request, come, () => {
			this.#actor.send({ ...wish, request });
			release();
		});
	}

	/** A vm that is up may have lost one that it needs; one that is not looks for them when it boots. */
	#needed({ type }: Wish): Promise<void> | null {
		const { dependsOn } = this.config;
		const isServing = ["ready", "idle"].includes(this.snapshot().state);
		const isNeeded = type === "run.requested" && isServing && dependsOn.length > 0;
		return isNeeded ? this.#dependencies.awaitReady(dependsOn) : null;
	}

	withdraw(request: number): void {
		this.#requests.forget(request);
		this.#actor.send({ type: "inhibit.released", inhibitor: request });
		this.#actor.send({ type: "request.withdrawn", request });
	}

	/**
	 * Announces a ticket to the agent; resolves with the session's number once the agent holds it. Rejects with GuestGoingDown
	 * where the guest powers off by itself: nothing has been run, and the next boot can serve.
	 */
	grant(request: number, label: string, ticket: Omit<Expect, "session">): Promise<number> {
		return this.#grants.grant(request, label, ticket);
	}

	/** What ended under a request that had been answered; undefined: before anybody saw it. */
	gone(instance: Instance | undefined): QubesLiteError {
		return this.#grants.gone(instance);
	}

	stop(force: boolean, askedAt: number): void {
		this.#actor.send({ type: "stop.requested", force, askedAt });
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
		this.#instances.launch(boot, this.#config.launched());
		this.inhibitors.mark();
		/** In a boot that is being tried again. */
		this.#markOverrides();
		this.#markBounds(this.nextConfig);
	}

	/** Somebody else has started it. */
	appear(vmm: RunningVmm): void {
		this.#instances.appear(vmm);
	}

	#take({ boot }: VmContext): void {
		this.#refusals.forget();
		this.#config.released();
		/** It may be one of an earlier broker's, that nobody could see until now. */
		this.#config.override(this.#instances.take(boot));
		this.inhibitors.mark();
		this.#settingsChanged();
	}

	#guest(boot: number, event: GuestEvent): void {
		switch (event.type) {
			case "hello":
				this.#log.hello(boot, event.hello);
				this.#actor.send({
					...{ type: "guest.hello", boot, wasUsed: event.hello.lastSession > 0 },
					...toReport(event.hello),
				});
				break;
			case "heartbeat":
				this.#beat(boot, event.heartbeat);
				break;
			case "disconnected":
				this.#actor.send({ type: "guest.disconnected", boot });
				break;
			case "refused":
				this.#refusals.note(event);
		}
	}

	/** Most of a fleet's heartbeats say nothing new, and a step of the machine costs ten times as much as reading one. */
	#beat(boot: number, report: GuestReport): void {
		const { value, context } = this.#actor.getSnapshot();
		if (isNoNews(value, context, boot, report)) this.#silence.heard(boot);
		else this.#actor.send({ type: "guest.heartbeat", boot, ...toReport(report) });
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

/** What a hello and a heartbeat have in common. */
const toReport = ({ sessions, cgroups, tickets }: GuestReport): GuestReport => ({ sessions, cgroups, tickets });
