/** A vm's machine on a clock that the test drives. Effects and answers are written down in the order they come. */
import { expect } from "vitest";
import { createActor, SimulatedClock } from "xstate";
import { Silence } from "../../src/broker/silence.ts";
import { defaultLifecycle } from "../../src/config/lifecycle.ts";
import type { BootPhase } from "../../src/protocol/boot-phases.ts";
import { vmMachine } from "../../src/statemachines/vm.machine.ts";
import { isNoNews, type VmContext, type VmInput } from "../../src/statemachines/vm-context.ts";
import type { Reason, VmEvent, VmNotice, VmSettings } from "../../src/statemachines/vm-events.ts";

/** setTimeout's longest delay; Node fires a longer one after 1 ms. */
const timerMaxMs = 2 ** 31 - 1;

/** More timers than this at one instant are a machine that runs in circles. */
const firedAtOnceMax = 1_000;

/** Goes from timer to timer, so that each fires at its own instant, and has the limit of Node's timers. */
export class TestClock extends SimulatedClock {
	readonly #due = new Map<number, number>();
	#firedAtOnce = 0;

	override setTimeout(fn: () => void, ms: number): number {
		const delay = ms > timerMaxMs ? 1 : Math.max(0, ms);
		const id = super.setTimeout(() => {
			this.#due.delete(id);
			fn();
		}, delay);
		this.#due.set(id, this.now() + delay);
		return id;
	}

	override clearTimeout(id: number): void {
		this.#due.delete(id);
		super.clearTimeout(id);
	}

	/** When the next timer fires; Infinity: there is none. */
	get nextAt(): number {
		return Math.min(...this.#due.values());
	}

	get pending(): number {
		return this.#due.size;
	}

	advanceToNext(): void {
		const next = this.nextAt;
		this.#firedAtOnce = next === this.now() ? this.#firedAtOnce + 1 : 0;
		if (this.#firedAtOnce > firedAtOnceMax) throw new Error("timers are armed again and again for the same instant");
		this.set(next);
	}

	advance(ms: number): void {
		const end = this.now() + ms;
		while (this.nextAt <= end) this.advanceToNext();
		this.set(end);
	}
}

const effects = [
	...(["awaitDependencies", "launchVmm", "takeVmm", "askPoweroff", "pressPowerButton"] as const),
	...(["pauseVmm", "resumeVmm", "terminateVmm", "killVmm", "releaseVmm"] as const),
];

export type Effect = (typeof effects)[number];
export type VmOptions = Partial<Omit<VmInput, "now">>;

export const defaultInput: Omit<VmInput, "now"> = {
	...defaultLifecycle,
	name: "shopping",
	idleTimeoutMs: 600_000,
	adopted: null,
};

export const crash: Reason = { code: "BootFailed", sentence: "its vmm ended with status 1" };

interface Report {
	readonly sessions?: readonly number[];
	readonly cgroups?: readonly number[];
	readonly tickets?: readonly number[] | undefined;
	readonly boot?: number;
	/** A hello's. */
	readonly wasUsed?: boolean;
}

export class VmUnderTest {
	readonly clock = new TestClock();
	readonly #silence = new Silence(this.clock, (boot) => this.#actor.send({ type: "heartbeat.missed", boot }));
	readonly #actor;
	#effects: string[] = [];
	/** What the machine said without being asked. */
	readonly notices: VmNotice[] = [];
	/** What the machine's clock has gone on while no timer fired. */
	#leapt = 0;
	/** How far the machine's clock goes on each time that it is looked at, ms. */
	tick = 0;
	readonly #answers = new Map<number, (Reason | "ready")[]>();

	constructor(options: VmOptions = {}) {
		// A machine is hours old when it is first asked for something: nothing may count from its creation.
		this.clock.set(1_000_000);
		const record = (effect: Effect) => (args: { context: VmContext }) => {
			this.onEffect(effect, args.context);
		};
		const machine = vmMachine.provide({
			actions: {
				...Object.fromEntries(effects.map((effect) => [effect, record(effect)])),
				countSilence: ({ context }) => this.#silence.count(context.boot),
				ignoreSilence: () => this.#silence.ignore(),
			},
		});
		this.#actor = createActor(machine, {
			input: { ...defaultInput, ...options, now: () => this.#now() },
			clock: this.clock,
		});
		this.#actor.on("request.answered", ({ request, refusal }) => {
			this.#answers.set(request, [...(this.#answers.get(request) ?? []), refusal ?? "ready"]);
			this.onAnswer(request, refusal);
		});
		for (const type of ["stop.announced", "stop.averted", "boot.finished"] as const) {
			this.#actor.on(type, (notice) => this.notices.push(notice));
		}
		this.#actor.start();
		if (options.adopted === undefined) this.clock.advance(5_000_000);
	}

	#now(): number {
		this.#leapt += this.tick;
		return this.clock.now() + this.#leapt;
	}

	/** Overridden where a test has a model of the vmm. */
	onEffect(effect: Effect, context: VmContext): void {
		this.#effects.push(effect === "launchVmm" ? `launchVmm ${context.boot}` : effect);
	}

	/** Overridden where a test has a model of those who ask. */
	onAnswer(_request: number, _refusal: Reason | null): void {}

	get context(): VmContext {
		return this.#actor.getSnapshot().context;
	}

	/** The outward state: "shutdown". */
	get state(): string {
		return this.step.split(".")[0] ?? "";
	}

	/** The state with its step, where it has some: "shutdown.asking". */
	get step(): string {
		const { value } = this.#actor.getSnapshot();
		return typeof value === "string" ? value : (Object.entries(value)[0] ?? []).join(".");
	}

	/** The effects since the last look. */
	takeEffects(): string[] {
		const taken = this.#effects;
		this.#effects = [];
		return taken;
	}

	/** "ready", the refusal, or undefined while it waits. A second answer is an error of its own. */
	answerTo(request: number): Reason | "ready" | undefined {
		const [answer, ...more] = this.#answers.get(request) ?? [];
		if (more.length > 0) throw new Error(`request ${request} was answered ${more.length + 1} times`);
		return answer;
	}

	send(event: VmEvent): void {
		this.#actor.send(event);
		const snapshot = this.#actor.getSnapshot();
		if (snapshot.status !== "active") throw snapshot.error ?? new Error(`the machine is ${snapshot.status}`);
	}

	advance(ms: number): void {
		this.clock.advance(ms);
	}

	/** Time passes at once, and the timers are late: a stopped process, or a test that can't beat for a year. */
	leap(ms: number): void {
		this.#leapt += ms;
	}

	/** `askedAt`: it was asked earlier; an earlier broker was. */
	run(request: number, askedAt = this.context.now()): void {
		this.send({ type: "run.requested", request, label: "firefox", askedAt });
	}

	start(request: number): void {
		this.send({ type: "start.requested", request });
	}

	attach(request: number): void {
		this.send({ type: "attach.requested", request, label: "attach to session 1" });
	}

	withdraw(request: number): void {
		this.send({ type: "request.withdrawn", request });
	}

	grant(request: number, session: number): void {
		this.send({ type: "ticket.granted", request, session, label: "firefox" });
	}

	stop(force = false, askedAt?: number): void {
		this.send({ type: "stop.requested", force, ...(askedAt === undefined ? {} : { askedAt }) });
	}

	configure(settings: Partial<VmSettings>): void {
		this.send({
			type: "settings.changed",
			isConfigured: true,
			...defaultLifecycle,
			idleTimeoutMs: defaultInput.idleTimeoutMs,
			...settings,
		});
	}

	reach(phase: BootPhase, boot: number = this.context.boot): void {
		this.send({ type: "boot.progressed", boot, phase });
	}

	hello({ sessions = [], cgroups = [], tickets, wasUsed = false, boot = this.context.boot }: Report = {}): void {
		this.send({ type: "guest.hello", boot, sessions, cgroups, tickets, wasUsed });
	}

	beat({ sessions = [], cgroups = [], tickets, boot = this.context.boot }: Report = {}): void {
		const before = this.#actor.getSnapshot();
		const isNoNews = this.isNoNews({ sessions, cgroups, tickets, boot });
		this.send({ type: "guest.heartbeat", boot, sessions, cgroups, tickets });
		const { value, context } = this.#actor.getSnapshot();
		/** A broker may keep such a heartbeat from the machine. */
		if (isNoNews) expect({ value, context }).toEqual({ value: before.value, context: before.context });
	}

	isNoNews({ sessions = [], cgroups = [], tickets, boot = this.context.boot }: Report): boolean {
		const { value, context } = this.#actor.getSnapshot();
		return isNoNews(value, context, boot, { sessions, cgroups, tickets });
	}

	/** Beats every 5 s for `ms`, as an agent does. */
	beatFor(ms: number, report: Report = {}): void {
		for (let left = ms; left > 0; left -= 5_000) {
			this.advance(Math.min(left, 5_000));
			if (left >= 5_000 && this.context.linked) this.beat(report);
		}
	}

	disconnect(boot: number = this.context.boot): void {
		this.send({ type: "guest.disconnected", boot });
	}

	exit(
		failure: Reason | null = null,
		{
			retriable = false,
			boot = this.context.boot,
			rebooted = false,
		}: { retriable?: boolean; boot?: number; rebooted?: boolean } = {},
	): void {
		this.send({ type: "vmm.exited", boot, failure, retriable, ...(rebooted && { rebooted }) });
	}
}

/** Started by `start`, with nothing in it. Request 900. */
export function idleVm(options: VmOptions = {}): VmUnderTest {
	const vm = new VmUnderTest(options);
	vm.start(900);
	vm.hello();
	vm.takeEffects();
	return vm;
}

/** Runs session 1, that request 901 asked for. */
export function busyVm(options: VmOptions = {}): VmUnderTest {
	const vm = new VmUnderTest(options);
	vm.run(901);
	vm.hello();
	vm.grant(901, 1);
	vm.beat({ sessions: [1] });
	vm.takeEffects();
	return vm;
}
