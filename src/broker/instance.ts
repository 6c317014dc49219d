/** One running copy of a vm: its vmm, the link to its guest, and its console. Lives from launch to clean-up. */
import type { RunningVmm, StartedPlan, Supervisor, VmmExit } from "../activation/supervisor.ts";
import { QubesLiteError } from "../errors.ts";
import type { GuestEvent } from "../guest/guest-link.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import type { BootPhase } from "../protocol/boot-phases.ts";
import type { AgentHello, Expect, SessionFacts } from "../protocol/control.ts";
import { toBootTag } from "../protocol/session-id.ts";
import type { Reason } from "../statemachines/vm-events.ts";
import { AwaitedClients } from "./awaited-clients.ts";
import { type Accelerator, acceleratorOf } from "./boot-history.ts";
import { BootMarks } from "./boot-marks.ts";
import { ClientRecords } from "./client-records.ts";
import type { DisplayEvent } from "./display-link.ts";
import type { Overrides } from "./effective-config.ts";
import { GuestConsole } from "./guest-console.ts";
import type { InstanceAdapters } from "./instance-adapters.ts";
import { InstanceControl } from "./instance-control.ts";
import { InstanceSessions } from "./instance-sessions.ts";
import type { Client, SessionBook } from "./session-book.ts";
import type { SessionNews } from "./session-news.ts";

type Link = ReturnType<InstanceAdapters["guestLink"]>;

export interface Ended {
	readonly exit: VmmExit;
	readonly hypervisor: StartedPlan["hypervisor"];
	/** We had told the vmm to end. */
	readonly wasAsked: boolean;
	/** What the guest's kernel said of its panic, if it did; the guest has the say of that. */
	readonly panic: string | null;
}

export interface InstanceEvents {
	exited(ended: Ended): void;
	/** Somebody else stops it. */
	stopping(): void;
	progressed(phase: BootPhase): void;
	guest(event: GuestEvent): void;
	session(news: SessionNews): void;
	display(event: DisplayEvent): void;
}

export class Instance {
	readonly #vm: string;
	readonly #events: InstanceEvents;
	readonly #adapters: InstanceAdapters;
	#vmm: RunningVmm | undefined;
	#plan: StartedPlan | undefined;
	#link: Link | undefined;
	#records: ClientRecords | undefined;
	#awaited: AwaitedClients | undefined;
	#nonce: string | null = null;
	readonly #console: GuestConsole;
	#accelerator: Accelerator | null = null;
	#display: ReturnType<InstanceAdapters["displayLink"]> | undefined;
	readonly sessions: InstanceSessions;
	readonly control: InstanceControl;
	/** For a broker that comes later. */
	readonly marks = new BootMarks();
	/** Set by its vm when it has ended. */
	endReason: Reason | null = null;
	/** What was asked while the vmm was still being started. */
	#wanted: "running" | "terminated" | "killed" = "running";
	readonly #cancel = new AbortController();

	constructor(vm: string, events: InstanceEvents, adapters: InstanceAdapters) {
		this.#vm = vm;
		this.#events = events;
		this.#adapters = adapters;
		this.sessions = new InstanceSessions({
			tell: (news) => events.session(news),
			list: () => this.listSessions(),
		});
		this.control = new InstanceControl(
			{ vm, marks: this.marks, plan: () => this.#plan, link: () => this.#link },
			adapters,
		);
		this.#console = new GuestConsole(adapters, (phase) => events.progressed(phase));
	}

	/** Resolves when the vmm runs and its link listens; rejects with nothing left behind. */
	async launch(plan: LaunchPlan, supervisor: Supervisor, boot: string): Promise<void> {
		this.#plan = plan;
		this.#accelerator = acceleratorOf(plan);
		this.marks.beganAt = monotonicMs();
		if (this.#wanted !== "running") throw new QubesLiteError("NotRunning", "it was stopped before it was started");
		this.#take(await supervisor.start(plan, boot, this.#cancel.signal));
		this.#records = new ClientRecords(plan.directory);
		this.marks.begin(plan.directory);
		try {
			this.#records.clear();
			await this.openLink();
		} catch (cause) {
			this.kill();
			throw cause;
		}
	}

	/** What an earlier broker has left, or somebody else has started. Returns what had been set for as long as it runs. */
	adopt(vmm: RunningVmm): Overrides {
		this.#plan = vmm.plan;
		this.sessions.found();
		this.marks.settle(vmm.plan.directory);
		this.#nonce = this.marks.nonce;
		this.#records = new ClientRecords(vmm.plan.directory);
		this.#take(vmm);
		return this.marks.overrides;
	}

	/** Since its start, on a clock that stands still while the host sleeps; null: not known. */
	get ageMs(): number | null {
		const { beganAt } = this.marks;
		return beganAt === null ? null : Math.max(0, monotonicMs() - beganAt);
	}

	/** Of the boot that runs in it, as in SessionId; null until the guest has said hello. */
	get bootTag(): string | null {
		return this.#nonce === null ? null : toBootTag(this.#nonce);
	}

	get directory(): string {
		return this.#plan?.directory ?? "";
	}

	get supervisor(): RunningVmm["supervisor"] | null {
		return this.#vmm?.supervisor ?? null;
	}

	/** Where its logs are, also after its end. */
	get logs(): string {
		return this.#vmm?.logs ?? this.directory;
	}

	get plan(): StartedPlan | undefined {
		return this.#plan;
	}

	/** Null where it was not launched by us. */
	get accelerator(): Accelerator | null {
		return this.#accelerator;
	}

	isOf(vmm: RunningVmm | undefined): boolean {
		return vmm !== undefined && vmm === this.#vmm;
	}

	get pid(): number | null {
		return this.#vmm?.pid() ?? null;
	}

	async openLink(): Promise<void> {
		if (this.#plan === undefined || this.#link !== undefined) return;
		const link = this.#adapters.guestLink({ vsock: this.#plan.vsock, vm: this.#vm, nonce: this.#nonce });
		this.#link = link;
		link.events.subscribe((event) => {
			if (event.type === "settled") this.#records?.remove(event.session);
			if (event.type === "hello") this.#greeted(event.hello);
			if (event.type === "hello" || event.type === "heartbeat") this.control.heard();
			this.#events.guest(event);
			this.sessions.heard(event);
		});
		/** Of a boot that has said hello already: a window that keeps it is to be known before its guest says that nothing else does. */
		if (this.#nonce !== null) this.#openDisplay();
		await link.listen();
		if (this.#nonce === null) this.#console.watch(this.directory);
		if (this.#records !== undefined) {
			this.#awaited = new AwaitedClients(this.#records.read(), (number) => link.clientGone(number));
		}
	}

	get book(): SessionBook {
		return this.sessions.book;
	}

	async expect(expect: Expect): Promise<void> {
		await this.#connectedLink().expect(expect);
	}

	/** The sessions as the guest sees them; rejects with Unresponsive. */
	async listSessions(): Promise<SessionFacts[]> {
		return this.#connectedLink().list();
	}

	/** A client has a ticket of this number, or had one of an earlier broker. */
	clientCame(number: number, client: Client): void {
		this.book.connected(number, client);
		this.#awaited?.came(number);
		this.#records?.write(number, client.pid);
	}

	clientGone(number: number): void {
		this.book.disconnected(number);
		this.#link?.clientGone(number);
	}

	/** Its guest tells the next broker what it tells us from now on. */
	leave(): void {
		this.#link?.leave();
	}

	/** Who can't be told is ended all the same, by the next step. */
	pressPowerButton(): void {
		this.#wanted = "terminated";
		this.control.pressPowerButton();
	}

	powerOff(graceMs: number): void {
		this.#wanted = "terminated";
		this.#link?.powerOff(graceMs);
	}

	/** In good order where the vmm has a way to that which is not SIGTERM: what it still holds of disks is written. */
	terminate(): void {
		this.#wanted = "terminated";
		const vmm = this.#vmm;
		if (vmm === undefined) this.#cancel.abort();
		else void this.control.stop().catch(() => vmm.terminate());
	}

	kill(): void {
		this.#wanted = "killed";
		if (this.#vmm === undefined) this.#cancel.abort();
		else this.#vmm.kill();
	}

	/** The console's last lines, safe to show. */
	consoleTail(): Promise<string[]> {
		return this.#console.tail(this.logs);
	}

	async cleanUp(): Promise<void> {
		this.#console.unwatch();
		this.#display?.close();
		this.#awaited?.close();
		this.#link?.close();
		await this.#vmm?.cleanUp();
	}

	#connectedLink(): Link {
		if (this.#link === undefined) throw new QubesLiteError("Unresponsive", `the agent in ${this.#vm} is not connected`);
		return this.#link;
	}

	#take(vmm: RunningVmm): void {
		this.#vmm = vmm;
		this.#events.session({ type: "learnt" });
		void vmm.stopping.then(() => this.#events.stopping());
		const { hypervisor } = vmm.plan;
		void vmm.exited.then(async (exit) => {
			const wasAsked = this.#wanted !== "running";
			const panic = wasAsked ? null : await this.#console.panic(this.logs);
			this.#events.exited({ exit, hypervisor, wasAsked, panic });
		});
		if (this.#wanted === "terminated") vmm.terminate();
		if (this.#wanted === "killed") vmm.kill();
	}

	/** The compositor may be another one now. */
	tellSession(): void {
		this.#display?.tellSession();
	}

	/** Why it has no windows any more in this boot, as a sentence; null: nothing is known against it. */
	get displayCut(): string | null {
		return this.#display?.state.cut ?? null;
	}

	#greeted({ nonce }: AgentHello): void {
		this.#console.unwatch();
		this.#openDisplay();
		if (this.#nonce !== null) return;
		this.#nonce = nonce;
		/** Without room for it an adopting broker takes the vm for one that boots, until the agent has dialled again. */
		this.marks.nonce = nonce;
	}

	#openDisplay(): void {
		this.#display ??= this.#adapters.displayLink(this.directory, (event) => this.#events.display(event));
		this.#display.open();
	}
}

/** CLOCK_MONOTONIC, which brokers of one host's boot have in common. */
const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);
