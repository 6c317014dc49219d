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
import { vmMachine } from "../statemachines/vm.machine.ts";
import { defaultShutdownBounds, type VmContext } from "../statemachines/vm-context.ts";
import type { Reason, VmEvent } from "../statemachines/vm-events.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { Instance } from "./instance.ts";
import { TicketGate } from "./ticket-gate.ts";

/** The agent gives commands this long to end; the machine's own bound for the whole power-off is longer. */
const guestGraceMs = 20_000;

const refusedEveryMs = 60_000;
const refusalsMax = 8;

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
	readonly #refusals = new Set<string>();
	readonly #tickets = new TicketGate({
		leases: () => this.snapshot().context.leases,
		watch: (listener) => this.watch(listener),
	});
	#lastConsole: string[] = [];

	constructor(config: VmConfig, dependencies: VmDependencies, adopted: Adopted | null) {
		this.config = config;
		this.#dependencies = dependencies;
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
				releaseVmm: () => this.#release(),
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
				adopted: adopted === null ? null : { saidHello: this.#instance?.nonceKnown === true, ageMs: adopted.ageMs },
			},
		});
		this.#actor.on("request.answered", ({ request, refusal }) => {
			this.#answers.get(request)?.(refusal);
			this.#answers.delete(request);
		});
		this.#actor.subscribe((snapshot) => this.#logChange(snapshot.value, snapshot.context));
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
	 * Asks the machine for a session (or, with no label, only for a ready vm), booting it where needed. Resolves when it
	 * is there; rejects with the machine's reason. `withdraw` must be called when the requester is gone.
	 */
	async request(request: number, label: string | null): Promise<void> {
		const answer = new Promise<Reason | null>((resolve) => this.#answers.set(request, resolve));
		this.#actor.send(label === null ? { type: "start.requested", request } : { type: "run.requested", request, label });
		const refusal = await answer;
		if (refusal !== null) throw await this.#toError(refusal);
	}

	withdraw(request: number): void {
		this.#answers.delete(request);
		this.#actor.send({ type: "request.withdrawn", request });
	}

	/** Announces a ticket to the agent; resolves with the session's number once the agent holds it. */
	async grant(request: number, ticketHash: string, execHash: string, lifeMs: number): Promise<number> {
		const instance = this.#instance;
		return this.#tickets.pass(request, async () => {
			if (instance === undefined || instance !== this.#instance) throw justStopped(this.config.name);
			const session = this.#nextSession++;
			await instance.expect({ session, ticketHash, execHash, lifeMs });
			this.#actor.send({ type: "ticket.granted", request, session });
			return session;
		});
	}

	clientGone(session: number): void {
		this.#instance?.clientGone(session);
	}

	stop(force: boolean): void {
		this.#actor.send({ type: "stop.requested", force });
	}

	#launch(context: VmContext): void {
		const instance = this.#newInstance(context.boot);
		this.#instance = instance;
		this.#lastConsole = [];
		this.#nextSession = 1;
		const ready = this.#released;
		void ready
			.then(() => {
				const plan = this.#dependencies.planLaunch(this.config);
				return instance.launch(plan, this.#dependencies.supervisor, this.#dependencies.newBootToken());
			})
			.catch((cause: unknown) => {
				const error = QubesLiteError.from(cause);
				this.#dependencies.log.warn({ event: "vm.launchFailed", vm: this.config.name, err: error.cause ?? error });
				const failure: Reason = {
					code: error.code,
					/** It may quote what the vmm said. */
					sentence: toSafeText(error.message),
					...(error.remedy === undefined ? {} : { remedy: error.remedy }),
				};
				this.#actor.send({ type: "vmm.exited", boot: context.boot, failure, retriable: false });
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
		const failure = wasAsked ? null : toFailure(exit);
		/** A vmm that could not even start (127 and 126, sh's own) would fail the same way again. */
		const retriable = exit.code !== 127 && exit.code !== 126 && exit.lostHelper === null;
		this.#actor.send({ type: "vmm.exited", boot, failure, retriable });
	}

	#guest(boot: number, event: GuestEvent): void {
		const toMachine = (
			type: "guest.hello" | "guest.heartbeat",
			report: { sessions: readonly number[]; cgroups: readonly number[] },
		): VmEvent => ({
			type,
			boot,
			sessions: report.sessions,
			cgroups: report.cgroups,
		});
		switch (event.type) {
			case "hello":
				this.#nextSession = Math.max(this.#nextSession, event.hello.lastSession + 1);
				this.#dependencies.log.info({ event: "guest.hello", vm: this.config.name, phases: event.hello.phases });
				this.#actor.send(toMachine("guest.hello", event.hello));
				break;
			case "heartbeat":
				this.#actor.send(toMachine("guest.heartbeat", event.heartbeat));
				break;
			case "disconnected":
				this.#actor.send({ type: "guest.disconnected", boot });
				break;
			case "refused":
				this.#noteRefused(event.why);
		}
	}

	/** Any process in the guest can dial us all day: each reason is told once a minute, and not too many of them. */
	#noteRefused(why: string): void {
		if (this.#refusals.has(why) || this.#refusals.size >= refusalsMax) return;
		this.#refusals.add(why);
		this.#dependencies.log.warn({ event: "guest.refused", vm: this.config.name, why });
		setTimeout(() => this.#refusals.delete(why), refusedEveryMs).unref();
	}

	/** The vmm has ended: its last words are read, its link closed, its files removed, before a next launch begins. */
	#release(): void {
		const instance = this.#instance;
		this.#instance = undefined;
		if (instance === undefined) return;
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

	/** Why the vm ended under a session. */
	async endError(): Promise<QubesLiteError> {
		await this.#released;
		const reason = this.#actor.getSnapshot().context.reason;
		return new QubesLiteError(
			"NotRunning",
			`${this.config.name} ended while the command ran: ${reason?.sentence ?? "stopped"}`,
			{ remedy: `qubes-lite status ${this.config.name}` },
		);
	}

	async #toError(refusal: Reason): Promise<QubesLiteError> {
		await this.#released;
		const isBoot = refusal.code === "BootFailed" || refusal.code === "BootTimeout";
		const lines = isBoot ? ((await this.#instance?.consoleTail()) ?? this.#lastConsole) : [];
		const heading = `${this.config.name} ${isBoot ? "did not become ready" : "is not available"}: ${refusal.sentence}`;
		const console = lines.length === 0 ? [] : ["its console's last lines:", ...lines.map((line) => `  | ${line}`)];
		const code = refusal.code === "Stopped" ? "NotRunning" : refusal.code;
		return new QubesLiteError(code, [heading, ...console].join("\n"), {
			remedy: refusal.remedy ?? `qubes-lite status ${this.config.name}`,
		});
	}

	#lastLogged = "";
	#logChange(value: unknown, context: VmContext): void {
		const state = typeof value === "string" ? value : Object.entries(value as object)[0]?.join(".");
		if (state === undefined || state === this.#lastLogged) return;
		this.#lastLogged = state;
		const { name } = this.config;
		this.#dependencies.log.info({ event: "vm.state", vm: name, state, reason: context.reason?.sentence });
	}
}

/** For a request that was answered while the vm was up. */
export function justStopped(name: string): QubesLiteError {
	return new QubesLiteError("NotRunning", `${name} has just stopped`, { remedy: `qubes-lite status ${name}` });
}

function toFailure(exit: VmmExit): Reason | null {
	const words = Instance.lastWords(exit.log);
	if (exit.lostHelper !== null) {
		return { code: "BootFailed", sentence: `its ${exit.lostHelper} ended or did not start${words}` };
	}
	if (exit.signal !== null) return { code: "BootFailed", sentence: `its vmm was ended by ${exit.signal}${words}` };
	if (exit.code === null) return { code: "BootFailed", sentence: `its vmm vanished${words}` };
	if (exit.code === 0) return null;
	return { code: "BootFailed", sentence: `its vmm ended with status ${exit.code}${words}` };
}
