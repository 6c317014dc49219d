/**
 * One vm: its machine, and the adapters that fill the machine's holes. The machine decides; here things are done, and
 * what happens is told to the machine with the boot that it belongs to.
 */
import type { Logger } from "pino";
import { createActor } from "xstate";
import type { RunningVmm, Supervisor, VmmExit } from "../activation/supervisor.ts";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { GuestEvent } from "../guest/guest-link.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import type { Expect } from "../protocol/control.ts";
import type { GuestReport } from "../statemachines/leases.ts";
import { vmMachine } from "../statemachines/vm.machine.ts";
import { defaultShutdownBounds, type VmContext } from "../statemachines/vm-context.ts";
import type { Reason } from "../statemachines/vm-events.ts";
import { GuestRefusals } from "./guest-refusals.ts";
import { Instance } from "./instance.ts";
import { TicketGate } from "./ticket-gate.ts";
import { endedError, exitFailure, justStopped, launchFailure, refusedError } from "./vm-errors.ts";
import { VmLog } from "./vm-log.ts";

/** The agent gives commands this long to end; the machine's own bound for the whole power-off is longer. */
const guestGraceMs = 20_000;

/** What somebody wants of a vm, in the machine's words. */
export type Wish =
	| { readonly type: "run.requested" | "attach.requested"; readonly label: string }
	| { readonly type: "start.requested" };

export interface VmDependencies {
	readonly supervisor: Supervisor;
	readonly log: Logger;
	readonly now: () => number;
	readonly newBootToken: () => string;
	/** Throws where the vm can't be launched here. */
	planLaunch(vm: VmConfig): LaunchPlan;
	/** Keeps a log file of a vmm that has ended, where the vm is not disposable. */
	keepLogs(vm: VmConfig, directory: string): Promise<void>;
}

export interface Adopted {
	readonly vmm: RunningVmm;
	readonly ageMs: number;
}

export class Vm {
	readonly config: VmConfig;
	readonly #dependencies: VmDependencies;
	readonly #actor;
	readonly #answers = new Map<number, (refusal: Reason | null) => void>();
	/** Runs from launch to the end of its clean-up, one after the other. */
	#instance: Instance | undefined;
	#released: Promise<void> = Promise.resolve();
	#nextSession = 1;
	readonly #refusals: GuestRefusals;
	readonly #log: VmLog;
	readonly #tickets = new TicketGate({
		leases: () => this.snapshot().context.leases,
		watch: (listener) => this.watch(listener),
	});
	#lastConsole: string[] = [];

	constructor(config: VmConfig, dependencies: VmDependencies, adopted: Adopted | null) {
		this.config = config;
		this.#dependencies = dependencies;
		this.#log = new VmLog(config.name, dependencies.log, dependencies.now);
		this.#refusals = new GuestRefusals(config.name, dependencies.log);
		if (adopted !== null) {
			this.#instance = this.#newInstance(0);
			this.#instance.adopt(adopted.vmm);
		}
		const machine = vmMachine.provide({
			actions: {
				launchVmm: ({ context }) => this.#launch(context),
				askPoweroff: () => this.#instance?.powerOff(guestGraceMs),
				terminateVmm: () => this.#instance?.terminate(),
				killVmm: () => this.#instance?.kill(),
				releaseVmm: ({ context }) => this.#release(context.reason),
			},
		});
		this.#actor = createActor(machine, {
			input: {
				name: config.name,
				disposable: config.disposable,
				idleTimeoutMs: config.idleTimeoutMs,
				bootTimeoutMs: config.bootTimeoutMs,
				bounds: defaultShutdownBounds,
				now: dependencies.now,
				adopted: adopted === null ? null : { saidHello: this.#instance?.bootTag !== null, ageMs: adopted.ageMs },
			},
		});
		this.#actor.on("request.answered", ({ request, refusal }) => {
			this.#answers.get(request)?.(refusal);
			this.#answers.delete(request);
		});
		this.#actor.subscribe((snapshot) => this.#log.state(snapshot.value, snapshot.context));
	}

	/** Begins; for an adopted vm also opens its link, so that its agent can dial again. Never rejects: other vms go on. */
	async start(): Promise<void> {
		this.#actor.start();
		await this.#instance?.openLink().catch((cause: unknown) => {
			this.#dependencies.log.error({ event: "vm.linkFailed", vm: this.config.name, err: cause });
		});
	}

	/** The machine's state and context, and the vmm where one runs. */
	snapshot(): { state: string; context: VmContext; instance: Instance | undefined } {
		const { value, context } = this.#actor.getSnapshot();
		return {
			state: typeof value === "string" ? value : (Object.keys(value)[0] ?? ""),
			context,
			instance: this.#instance,
		};
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
	async request(request: number, wish: Wish): Promise<void> {
		const answer = new Promise<Reason | null>((resolve) => this.#answers.set(request, resolve));
		this.#actor.send({ ...wish, request });
		const refusal = await answer;
		if (refusal !== null) throw await this.#toError(refusal);
	}

	withdraw(request: number): void {
		this.#answers.delete(request);
		this.#actor.send({ type: "request.withdrawn", request });
	}

	/** Announces a ticket to the agent; resolves with the session's number once the agent holds it. */
	async grant(request: number, label: string, ticket: Omit<Expect, "session">): Promise<number> {
		const instance = this.#instance;
		return this.#tickets.pass(request, async () => {
			if (instance === undefined || instance !== this.#instance) throw justStopped(this.config);
			const session = this.#nextSession++;
			await instance.expect({ session, ...ticket });
			if (instance !== this.#instance) throw justStopped(this.config);
			this.#actor.send({ type: "ticket.granted", request, session, label });
			return session;
		});
	}

	stop(force: boolean): void {
		this.#actor.send({ type: "stop.requested", force });
	}

	#launch(context: VmContext): void {
		const instance = this.#newInstance(context.boot);
		this.#instance = instance;
		this.#lastConsole = [];
		this.#nextSession = 1;
		if (context.attempt === 1) this.#refusals.forget();
		void this.#released
			.then(() => {
				const plan = this.#dependencies.planLaunch(this.config);
				return instance.launch(plan, this.#dependencies.supervisor, this.#dependencies.newBootToken());
			})
			.catch((cause: unknown) => {
				const error = QubesLiteError.from(cause);
				this.#dependencies.log.warn({ event: "vm.launchFailed", vm: this.config.name, err: error.cause ?? error });
				const { boot } = context;
				this.#actor.send({ type: "vmm.exited", boot, failure: launchFailure(error), retriable: false });
			});
	}

	#newInstance(boot: number): Instance {
		return new Instance(this.config.name, {
			exited: (exit, wasAsked) => this.#exited(boot, exit, wasAsked),
			progressed: (phase) => this.#actor.send({ type: "boot.progressed", boot, phase }),
			guest: (event) => this.#guest(boot, event),
		});
	}

	#exited(boot: number, exit: VmmExit, wasAsked: boolean): void {
		const failure = wasAsked ? null : exitFailure(exit);
		/** A vmm that could not even start (127 and 126, sh's own) would fail the same way again. */
		const retriable = exit.code !== 127 && exit.code !== 126 && exit.lostHelper === null;
		this.#actor.send({ type: "vmm.exited", boot, failure, retriable });
	}

	#guest(boot: number, event: GuestEvent): void {
		switch (event.type) {
			case "hello":
				this.#nextSession = Math.max(this.#nextSession, event.hello.lastSession + 1);
				this.#log.hello(boot, event.hello);
				this.#actor.send({
					...{ type: "guest.hello", boot, wasUsed: event.hello.lastSession > 0 },
					...toReport(event.hello),
				});
				break;
			case "heartbeat":
				this.#actor.send({ type: "guest.heartbeat", boot, ...toReport(event.heartbeat) });
				break;
			case "disconnected":
				this.#actor.send({ type: "guest.disconnected", boot });
				break;
			case "refused":
				this.#refusals.note(event);
		}
	}

	/** The vmm has ended: its last words are read, its link closed, its files removed, before a next launch begins. */
	#release(reason: Reason | null): void {
		const instance = this.#instance;
		this.#instance = undefined;
		if (instance === undefined) return;
		instance.endReason = reason;
		this.#released = instance
			.consoleTail()
			.catch(() => [])
			.then((lines) => {
				this.#lastConsole = lines;
			})
			.then(() => this.#dependencies.keepLogs(this.config, instance.directory))
			.then(() => instance.cleanUp())
			.catch((cause: unknown) => {
				this.#dependencies.log.error({ event: "vm.cleanUpFailed", vm: this.config.name, err: cause });
			});
	}

	/** Resolves when nothing of an ended vmm is left. */
	async settled(): Promise<void> {
		await this.#released;
	}

	/** Why `instance` ended under a session: the vm itself may be up again by now, and have no reason for anything. */
	async endError(instance: Instance): Promise<QubesLiteError> {
		await this.#released;
		return endedError(this.config, instance.endReason);
	}

	async #toError(refusal: Reason): Promise<QubesLiteError> {
		await this.#released;
		const console = (await this.#instance?.consoleTail()) ?? this.#lastConsole;
		return refusedError(this.config, refusal, { console, refusal: this.#refusals.last });
	}
}

/** What a hello and a heartbeat have in common. */
const toReport = ({ sessions, cgroups, tickets }: GuestReport): GuestReport => ({ sessions, cgroups, tickets });
