/**
 * The world around a vm's machine, for tests that can't say beforehand what happens: it keeps its own record of the vmm,
 * of the guest and of those who ask, and notes whatever the machine does that this record forbids.
 */
import { ticketLifeMs } from "../../src/protocol/limits.ts";
import type { VmContext } from "../../src/statemachines/vm-context.ts";
import type { Reason, VmSettings } from "../../src/statemachines/vm-events.ts";
import { crash, defaultInput, type Effect, type VmOptions, VmUnderTest } from "./vm-harness.ts";

type Kind = "run" | "start" | "attach";

interface Request {
	readonly kind: Kind;
	isAnswered: boolean;
	isWithdrawn: boolean;
}

interface Ticket {
	expiresAt: number;
	session?: number;
}

export interface GuestReport {
	readonly sessions: readonly number[];
	readonly cgroups: readonly number[];
	readonly tickets: readonly number[];
}

export const emptyReport: GuestReport = { sessions: [], cgroups: [], tickets: [] };
const silenceMs = 15_000;

/** How the reason of a stop by idleness begins. */
const idleSentences = /^(idle for|paused for|its last command ended|nothing was run in it)/;

export class World extends VmUnderTest {
	readonly violations: string[] = [];
	readonly requests = new Map<number, Request>();
	readonly tickets = new Map<number, Ticket>();
	vmmAlive = false;
	/** Exits that were told, and not yet released. */
	#unreleased = 0;
	isConnected = false;
	#heardAt = 0;
	#report = emptyReport;
	/** The last instant at which the vm was in use, as far as anybody outside can know. */
	#usedAt = 0;
	#sessions = 0;
	/** The last boot has ended by a reboot, for which it was to boot again. */
	#bootsAgain = false;
	/** To power off, in this boot. */
	#isAsked = false;
	/** Its guest does not run. */
	isPaused = false;
	/** What the vmm has been told, and not done yet. */
	readonly controls: ("pause" | "resume")[] = [];
	/** The vms that it needs are waited for. */
	awaitsDependencies = false;
	readonly inhibitors = new Set<number>();
	#windows = 0;
	#idleTimeoutMs: number;
	#isDisposable: boolean;

	constructor(options: VmOptions) {
		super(options);
		this.#idleTimeoutMs = options.idleTimeoutMs ?? 0;
		this.#isDisposable = options.disposable ?? false;
	}

	override onEffect(effect: Effect, context: VmContext): void {
		const must = (holds: boolean, rule: string): void => {
			if (!holds) this.violations.push(`${effect}: ${rule}`);
		};
		if (effect === "launchVmm") {
			must(!this.vmmAlive, "a vmm is alive");
			must(this.#unreleased === 0, "the last one was not released");
			must(
				this.#bootsAgain || this.waiting().some((id) => this.requests.get(id)?.kind !== "attach"),
				"nobody waits for a boot",
			);
			this.vmmAlive = true;
			this.#isAsked = false;
			this.#report = emptyReport;
		} else if (effect === "awaitDependencies") {
			must(!this.vmmAlive, "a vmm is alive");
			this.awaitsDependencies = true;
		} else if (effect === "releaseVmm") {
			must(this.#unreleased === 1, "no vmm has exited");
			this.#unreleased = 0;
		} else {
			must(this.vmmAlive, "there is no vmm");
			if (effect === "pauseVmm") for (const use of this.#uses()) must(false, `it is in use: ${use}`);
			if (effect === "pauseVmm" || effect === "resumeVmm")
				this.controls.push(effect === "pauseVmm" ? "pause" : "resume");
			if (effect === "askPoweroff") must(!this.isPaused, "a paused guest can't power off");
			/** Who has been asked once is asked again when its agent dials again, whatever has happened meanwhile. */
			const isFirst = effect === "askPoweroff" && !this.#isAsked;
			this.#isAsked ||= isFirst;
			const isIdleStop = isFirst && idleSentences.test(context.reason?.sentence ?? "");
			/** Its pauseTimeout is over, whatever its idleTimeout has become meanwhile. */
			const wasPaused = context.reason?.sentence.startsWith("paused for") === true;
			const counts = (use: string): boolean => !wasPaused || !use.startsWith("its idleTimeout");
			if (isIdleStop) for (const use of [...this.#uses()].filter(counts)) must(false, `it is in use: ${use}`);
		}
	}

	/** All that forbids an idle stop now. */
	*#uses(): Generator<string> {
		const now = this.clock.now();
		this.#expireTickets();
		if (this.waiting().length > 0) yield "a request waits";
		if (this.inhibitors.size > 0) yield "somebody inhibits it";
		if (this.#windows > 0) yield "a window is open";
		if (this.tickets.size > 0) yield "a ticket is out";
		if (this.#report.sessions.length > 0) yield "a session runs";
		if (this.#report.cgroups.length > 0) yield "a cgroup has processes";
		if (this.#report.tickets.length > 0) yield "its guest has a ticket";
		if (!this.isConnected) yield "its guest is not connected";
		if (now - this.#heardAt > silenceMs) yield "its guest is not heard";
		if (!this.#isDisposable && this.#idleTimeoutMs === 0) yield "its idleTimeout is 0";
		if (!this.#isDisposable && now - this.#usedAt < this.#idleTimeoutMs) yield "its idleTimeout is not over";
	}

	override onAnswer(id: number, refusal: Reason | null): void {
		const request = this.requests.get(id);
		if (request === undefined || request.isAnswered || request.isWithdrawn) {
			this.violations.push(`request ${id} was answered out of turn`);
			return;
		}
		request.isAnswered = true;
		if (refusal !== null) return;
		if (!this.isConnected) this.violations.push(`request ${id} was told ready without a guest`);
		if (this.isPaused) this.violations.push(`request ${id} was told ready although the vm is paused`);
		if (request.kind !== "start") this.tickets.set(id, { expiresAt: this.clock.now() + ticketLifeMs });
	}

	waiting(): number[] {
		return [...this.requests]
			.filter(([, { isAnswered, isWithdrawn }]) => !isAnswered && !isWithdrawn)
			.map(([id]) => id);
	}

	override configure(settings: Partial<VmSettings>): void {
		this.#idleTimeoutMs = settings.idleTimeoutMs ?? defaultInput.idleTimeoutMs;
		this.#isDisposable = settings.disposable ?? false;
		super.configure(settings);
	}

	ask(kind: Kind): void {
		const id = this.requests.size + 1;
		this.requests.set(id, { kind, isAnswered: false, isWithdrawn: false });
		this.#use();
		this[kind](id);
	}

	override withdraw(id: number): void {
		const request = this.requests.get(id);
		if (request !== undefined) request.isWithdrawn = true;
		this.#expireTickets();
		if (this.tickets.delete(id)) this.#use();
		super.withdraw(id);
	}

	grantNext(): void {
		this.#expireTickets();
		for (const [id, ticket] of this.tickets) {
			if (ticket.session !== undefined) continue;
			this.#sessions += 1;
			ticket.session = this.#sessions;
			ticket.expiresAt = this.clock.now() + ticketLifeMs;
			this.grant(id, ticket.session);
			return;
		}
	}

	inhibitOrRelease(inhibitor: number): void {
		this.#use();
		if (this.inhibitors.delete(inhibitor)) this.send({ type: "inhibit.released", inhibitor });
		else {
			this.inhibitors.add(inhibitor);
			this.send({ type: "inhibit.requested", inhibitor, label: "rsync" });
		}
	}

	/** Its display tells so; of a vmm that has ended there is none. */
	show(windows: number): void {
		if (!this.vmmAlive) return;
		if (this.#windows > 0 || windows > 0) this.#use();
		this.#windows = windows;
		const list = Array.from({ length: windows }, (_, index) => ({ id: index + 1, label: "a title" }));
		this.send({ type: "windows.changed", boot: this.context.boot, windows: list });
	}

	/** A vmm answers within seconds, or it is said for it that it can't. */
	override advance(ms: number): void {
		while (ms >= 5_000 && this.controls.length > 0) this.obey(true);
		super.advance(ms);
	}

	/** The vmm does what it was told, or says that it can't. */
	obey(canDo: boolean): void {
		const wanted = this.controls.shift();
		if (wanted === undefined) return;
		const { boot } = this.context;
		if (!canDo) {
			this.isPaused = false;
			this.send({ type: "vmm.unpausable", boot });
			return;
		}
		this.isPaused = wanted === "pause";
		if (!this.isPaused) this.#heardAt = this.clock.now();
		this.send({ type: this.isPaused ? "vmm.paused" : "vmm.resumed", boot });
	}

	/** The vms that it needs are ready, or can't be. */
	answerNeed(isReady: boolean): void {
		if (!this.awaitsDependencies) return;
		this.awaitsDependencies = false;
		const { boot } = this.context;
		if (isReady) this.send({ type: "dependencies.ready", boot });
		else this.send({ type: "dependencies.failed", boot, failure: crash });
	}

	connect(report: GuestReport): void {
		this.isConnected = true;
		this.#hear(report);
		this.#use();
		this.hello(report);
	}

	report(report: GuestReport): void {
		this.#hear(report);
		this.beat(report);
	}

	cut(): void {
		this.isConnected = false;
		this.disconnect();
	}

	end(failure: Reason | null, retriable: boolean, rebooted = false): void {
		this.vmmAlive = false;
		this.#windows = 0;
		this.isConnected = false;
		this.isPaused = false;
		this.controls.length = 0;
		this.tickets.clear();
		this.#unreleased += 1;
		const { rebootAction, disposable } = this.context;
		const isTriedAgain = this.#bootsAgain && this.state === "booting" && retriable;
		this.#bootsAgain = isTriedAgain || (rebooted && rebootAction === "restart" && !disposable);
		this.exit(failure, { retriable, rebooted });
	}

	/** The vmm and the supervisor do what they are told, the guest says nothing: what is still waited for then? */
	settle(): void {
		for (let round = 0; round < 20; round++) {
			this.obey(true);
			this.answerNeed(true);
			this.advance(120_000);
			if (this.vmmAlive && this.state === "shutdown") this.end(crash, false);
		}
	}

	/** After each step, whatever it was. */
	check(): void {
		const { vmmAlive, leases, idleSince } = this.context;
		const rule = (holds: boolean, sentence: string): void => {
			if (!holds) this.violations.push(`${this.step}: ${sentence}`);
		};
		rule(vmmAlive === this.vmmAlive, "the machine errs about its vmm");
		rule(this.#unreleased === 0, "an ended vmm is not released");
		rule((this.state === "idle") === (idleSince !== null), "idle-since is for idle vms");
		const hasVmm = this.state !== "stopped" && this.step !== "booting.needing";
		if (this.state !== "failed") rule(this.vmmAlive === hasVmm, "a vmm too many or too few");
		const isAtRest = this.step === "idle.running" || this.step === "idle.paused" || this.step === "idle.waking";
		const isQuiet = this.state === "stopped" || this.state === "failed" || isAtRest;
		if (isQuiet) rule(this.waiting().length === 0, `requests ${this.waiting().join()} got no answer`);
		if (isAtRest) rule(leases.size === 0, "it has leases");
		if (this.state === "stopped") rule(leases.size === this.inhibitors.size, "it has leases of a guest");
		if (this.state !== "idle")
			rule(
				!this.isPaused || this.state === "shutdown" || this.state === "failed" || this.context.unresponsive,
				"it is paused",
			);
		if (this.violations.length > 0) throw new Error(this.violations.join("\n"));
	}

	#use(): void {
		this.#usedAt = this.clock.now();
	}

	#hear(report: GuestReport): void {
		const now = this.clock.now();
		this.#expireTickets();
		const isHeld = (some: GuestReport): boolean => some.sessions.length + some.cgroups.length + some.tickets.length > 0;
		if (isHeld(this.#report) || isHeld(report) || now - this.#heardAt > silenceMs) this.#use();
		this.#heardAt = now;
		this.#report = report;
		for (const [id, { session }] of this.tickets) {
			if (session !== undefined && [...report.sessions, ...report.cgroups].includes(session)) this.tickets.delete(id);
		}
	}

	#expireTickets(): void {
		for (const [id, { expiresAt }] of this.tickets) {
			if (expiresAt > this.clock.now()) continue;
			this.tickets.delete(id);
			this.#usedAt = Math.max(this.#usedAt, expiresAt);
		}
	}
}
