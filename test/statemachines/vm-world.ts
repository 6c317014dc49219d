/**
 * The world around a vm's machine, for tests that can't say beforehand what happens: it keeps its own record of the vmm,
 * of the guest and of those who ask, and notes whatever the machine does that this record forbids.
 */
import { ticketLifeMs } from "../../src/protocol/limits.ts";
import type { VmContext } from "../../src/statemachines/vm-context.ts";
import type { Reason } from "../../src/statemachines/vm-events.ts";
import { crash, type Effect, type VmOptions, VmUnderTest } from "./vm-harness.ts";

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
const idleSentences = /^(idle for|its last command ended|nothing was run in it)/;

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
	/** To power off, in this boot. */
	#isAsked = false;
	readonly #idleTimeoutMs: number;
	readonly #isDisposable: boolean;

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
				this.waiting().some((id) => this.requests.get(id)?.kind !== "attach"),
				"nobody waits for a boot",
			);
			this.vmmAlive = true;
			this.#isAsked = false;
			this.#report = emptyReport;
		} else if (effect === "releaseVmm") {
			must(this.#unreleased === 1, "no vmm has exited");
			this.#unreleased = 0;
		} else {
			must(this.vmmAlive, "there is no vmm");
			/** Who has been asked once is asked again when its agent dials again, whatever has happened meanwhile. */
			const isFirst = effect === "askPoweroff" && !this.#isAsked;
			this.#isAsked ||= isFirst;
			const isIdleStop = isFirst && idleSentences.test(context.reason?.sentence ?? "");
			if (isIdleStop) for (const use of this.#uses()) must(false, `it is in use: ${use}`);
		}
	}

	/** All that forbids an idle stop now. */
	*#uses(): Generator<string> {
		const now = this.clock.now();
		this.#expireTickets();
		if (this.waiting().length > 0) yield "a request waits";
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
		if (request.kind !== "start") this.tickets.set(id, { expiresAt: this.clock.now() + ticketLifeMs });
	}

	waiting(): number[] {
		return [...this.requests]
			.filter(([, { isAnswered, isWithdrawn }]) => !isAnswered && !isWithdrawn)
			.map(([id]) => id);
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

	end(failure: Reason | null, retriable: boolean): void {
		this.vmmAlive = false;
		this.isConnected = false;
		this.tickets.clear();
		this.#unreleased += 1;
		this.exit(failure, { retriable });
	}

	/** The vmm and the supervisor do what they are told, the guest says nothing: what is still waited for then? */
	settle(): void {
		for (let round = 0; round < 20; round++) {
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
		if (this.state !== "failed") rule(this.vmmAlive === (this.state !== "stopped"), "a vmm too many or too few");
		const isQuiet = this.state === "stopped" || this.state === "failed" || this.state === "idle";
		if (isQuiet) rule(this.waiting().length === 0, `requests ${this.waiting().join()} got no answer`);
		if (this.state === "stopped" || this.state === "idle") rule(leases.size === 0, "it has leases");
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
