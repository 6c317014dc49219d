/** One running copy of a vm: its vmm, the link to its guest, and its console. Lives from launch to clean-up. */
import { type FSWatcher, readFileSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readRingTail } from "../activation/log-ring.ts";
import type { RunningVmm, Supervisor, VmmExit } from "../activation/supervisor.ts";
import { QubesLiteError } from "../errors.ts";
import { type GuestEvent, GuestLink } from "../guest/guest-link.ts";
import { type LaunchPlan, vmFiles } from "../launch-plan.ts";
import type { AgentHello, Expect, SessionFacts } from "../protocol/control.ts";
import { toBootTag } from "../protocol/session-id.ts";
import type { BootPhase, Reason } from "../statemachines/vm-events.ts";
import { lastLines } from "../terminal/safe-text.ts";
import { AwaitedClients } from "./awaited-clients.ts";
import { lastPhase } from "./boot-phases.ts";
import { ClientRecords } from "./client-records.ts";
import { type Client, SessionBook } from "./session-book.ts";

/** In the vm's directory: the nonce of this boot's hello, so that an adopting broker knows the vm was ready. */
const nonceFile = "hello.nonce";
const consoleTailBytes = 16 * 1024;
const consoleLines = 20;

export interface InstanceEvents {
	/** `wasAsked`: we had told the vmm to end. */
	exited(exit: VmmExit, wasAsked: boolean): void;
	progressed(phase: BootPhase): void;
	guest(event: GuestEvent): void;
}

export class Instance {
	readonly #vm: string;
	readonly #events: InstanceEvents;
	#vmm: RunningVmm | undefined;
	#plan: LaunchPlan | undefined;
	#link: GuestLink | undefined;
	#records: ClientRecords | undefined;
	#awaited: AwaitedClients | undefined;
	#nonce: string | null = null;
	#watcher: FSWatcher | undefined;
	#phase: BootPhase = "vmm";
	readonly book = new SessionBook();
	/** Set by its vm when it has ended. */
	endReason: Reason | null = null;
	/** What was asked while the vmm was still being started. */
	#wanted: "running" | "terminated" | "killed" = "running";

	constructor(vm: string, events: InstanceEvents) {
		this.#vm = vm;
		this.#events = events;
	}

	/** Resolves when the vmm runs and its link listens; rejects with nothing left behind. */
	async launch(plan: LaunchPlan, supervisor: Supervisor, boot: string): Promise<void> {
		this.#plan = plan;
		if (this.#wanted !== "running") throw new QubesLiteError("NotRunning", "it was stopped before it was started");
		this.#take(await supervisor.start(plan, boot));
		this.#records = new ClientRecords(plan.directory);
		try {
			this.#records.clear();
			await this.openLink();
		} catch (cause) {
			this.kill();
			throw cause;
		}
		this.#watchConsole();
	}

	adopt(vmm: RunningVmm): void {
		this.#plan = vmm.plan;
		this.#nonce = readNonce(vmm.plan.directory);
		this.#records = new ClientRecords(vmm.plan.directory);
		this.#take(vmm);
	}

	/** Of the boot that runs in it, as in SessionId; null until the guest has said hello. */
	get bootTag(): string | null {
		return this.#nonce === null ? null : toBootTag(this.#nonce);
	}

	get directory(): string {
		return this.#plan?.directory ?? "";
	}

	get plan(): LaunchPlan | undefined {
		return this.#plan;
	}

	get pid(): number | null {
		return this.#vmm?.pid() ?? null;
	}

	async openLink(): Promise<void> {
		if (this.#plan === undefined || this.#link !== undefined) return;
		const link = new GuestLink({ vsock: this.#plan.vsock, vm: this.#vm, nonce: this.#nonce });
		this.#link = link;
		link.events.subscribe((event) => {
			if (event.type === "settled") this.#records?.remove(event.session);
			if (event.type === "hello") this.#greeted(event.hello.nonce);
			this.#events.guest(event);
			if (event.type === "hello") void this.#learnNames(event.hello).catch(() => {});
		});
		await link.listen();
		if (this.#records !== undefined) {
			this.#awaited = new AwaitedClients(this.#records.read(), (number) => link.clientGone(number));
		}
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

	powerOff(graceMs: number): void {
		this.#wanted = "terminated";
		this.#link?.powerOff(graceMs);
	}

	terminate(): void {
		this.#wanted = "terminated";
		this.#vmm?.terminate();
	}

	kill(): void {
		this.#wanted = "killed";
		this.#vmm?.kill();
	}

	/** The console's last lines, safe to show. */
	async consoleTail(): Promise<string[]> {
		if (this.directory === "") return [];
		return lastLines(await readRingTail(this.directory, vmFiles.console, consoleTailBytes), consoleLines);
	}

	async cleanUp(): Promise<void> {
		this.#watcher?.close();
		this.#awaited?.close();
		this.#link?.close();
		await this.#vmm?.cleanUp();
	}

	#connectedLink(): GuestLink {
		if (this.#link === undefined) throw new QubesLiteError("Unresponsive", `the agent in ${this.#vm} is not connected`);
		return this.#link;
	}

	#take(vmm: RunningVmm): void {
		this.#vmm = vmm;
		void vmm.exited.then((exit) => this.#events.exited(exit, this.#wanted !== "running"));
		if (this.#wanted === "terminated") vmm.terminate();
		if (this.#wanted === "killed") vmm.kill();
	}

	#greeted(nonce: string): void {
		this.#watcher?.close();
		if (this.#nonce !== null) return;
		this.#nonce = nonce;
		/** Without room for it an adopting broker takes the vm for one that boots, until the agent has dialled again. */
		try {
			writeFileSync(join(this.directory, nonceFile), nonce, { mode: 0o600 });
		} catch {}
	}

	/** A broker that comes later learns from the guest alone what its sessions run. */
	async #learnNames({ sessions, cgroups }: AgentHello): Promise<void> {
		const isUnknown = (session: number): boolean => this.book.nameOf(session) === undefined;
		if ([...sessions, ...cgroups].some(isUnknown)) this.book.heard(await this.listSessions());
	}

	/** While it boots: its phases, as the console says them. Without inotify there is no progress, and nothing worse. */
	#watchConsole(): void {
		try {
			this.#watcher = watch(this.directory, (_kind, name) => {
				if (name === vmFiles.console) void this.#look().catch(() => {});
			});
			this.#watcher.on("error", () => this.#watcher?.close());
		} catch {}
	}

	async #look(): Promise<void> {
		const phase = lastPhase(await readRingTail(this.directory, vmFiles.console, consoleTailBytes));
		if (phase === undefined || phase === this.#phase) return;
		this.#phase = phase;
		this.#events.progressed(phase);
	}
}

function readNonce(directory: string): string | null {
	try {
		const nonce = readFileSync(join(directory, nonceFile), "utf8");
		return /^[0-9a-f]{32}$/.test(nonce) ? nonce : null;
	} catch {
		return null;
	}
}
