/**
 * The instances of one vm, one after the other: launched here or taken over from somebody else, and released with nothing left
 * before the next one begins. What becomes of them is told to the vm's machine, with the boot that it belongs to.
 */
import type { Logger } from "pino";
import type { RunningVmm, Supervisor } from "../activation/supervisor.ts";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { GuestEvent } from "../guest/guest-link.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import type { VmInput } from "../statemachines/vm-context.ts";
import type { Reason, VmEvent } from "../statemachines/vm-events.ts";
import type { DisplayEvent } from "./display-link.ts";
import type { Overrides } from "./effective-config.ts";
import { type Ended, Instance, type InstanceEvents } from "./instance.ts";
import type { InstanceAdapters } from "./instance-adapters.ts";
import type { SessionNews } from "./session-news.ts";
import { exitFailure, hasRebooted, launchFailure, panicFailure } from "./vm-errors.ts";

export interface InstancesDependencies {
	readonly supervisor: Supervisor;
	readonly log: Logger;
	readonly newBootToken: () => string;
	readonly adapters: InstanceAdapters;
	/** What must be asked for before a plan is made. Never rejects. */
	refreshFacts(vm: VmConfig): Promise<void>;
	/** Throws where the vm can't be launched here. */
	planLaunch(vm: VmConfig): LaunchPlan;
	/** Keeps a log file of a vmm that has ended, where the vm is not disposable. */
	keepLogs(vm: VmConfig, directory: string): Promise<void>;
}

/** The vm that they are of. */
export interface InstancesOwner {
	readonly name: string;
	/** To its machine. */
	tell(event: VmEvent): void;
	heard(boot: number, event: GuestEvent): void;
	session(news: SessionNews, instance: Instance): void;
	display(boot: number, event: DisplayEvent): void;
	/** A vmm is up or about to be. */
	isBooting(): boolean;
	/** Of its machine, now. */
	boot(): number;
}

export class Instances {
	readonly #owner: InstancesOwner;
	readonly #dependencies: InstancesDependencies;
	#current: Instance | undefined;
	#released: Promise<void> = Promise.resolve();
	/** Started by somebody else, and not taken in yet. */
	#appeared: RunningVmm | undefined;
	#lastConsole: string[] = [];

	constructor(owner: InstancesOwner, dependencies: InstancesDependencies) {
		this.#owner = owner;
		this.#dependencies = dependencies;
	}

	/** From its launch until its vmm has ended. */
	get current(): Instance | undefined {
		return this.#current;
	}

	/** It may run, although there is none to be seen. */
	get isHidden(): boolean {
		return this.#current === undefined && this.#dependencies.supervisor.isHidden(this.#owner.name);
	}

	/** What an earlier broker has left: it belongs to boot 0. Its link is opened by openLink(). */
	adopt(vmm: RunningVmm): Overrides {
		return this.#begin(0).adopt(vmm);
	}

	/** What is known of what has been adopted; `ageMs` as its supervisor has it, which counts the host's sleep. */
	adoptedAs({
		ageMs,
		isPaused,
	}: {
		readonly ageMs: number;
		readonly isPaused: boolean;
	}): NonNullable<VmInput["adopted"]> {
		const instance = this.#current;
		return {
			saidHello: instance?.bootTag !== null,
			wasPaused: isPaused,
			ageMs: instance?.ageMs ?? ageMs,
		};
	}

	/** Never rejects. */
	async openLink(): Promise<void> {
		await this.#current?.openLink().catch((cause: unknown) => {
			this.#dependencies.log.error({ event: "vm.linkFailed", vm: this.#owner.name, err: cause });
		});
	}

	/** Once nothing is left of the one before. What goes wrong is told as the end of the vmm. */
	launch(boot: number, config: VmConfig): void {
		const { refreshFacts, planLaunch, supervisor, newBootToken, log } = this.#dependencies;
		const instance = this.#begin(boot);
		void this.#released
			.then(() => refreshFacts(config))
			.then(() => instance.launch(planLaunch(config), supervisor, newBootToken()))
			.then(() => {
				/** Somebody else had started it, and it is ours now. */
				if (instance.isOf(this.#appeared)) this.#appeared = undefined;
			})
			.catch((cause: unknown) => {
				const error = QubesLiteError.from(cause);
				log.warn({ event: "vm.launchFailed", vm: config.name, err: error.cause ?? error });
				this.#owner.tell({ type: "vmm.exited", boot, failure: launchFailure(error), retriable: false });
			});
	}

	pause(boot: number): void {
		this.#report(boot, "vmm.paused", this.#current?.control.pause());
	}

	resume(boot: number): void {
		this.#report(boot, "vmm.resumed", this.#current?.control.resume());
	}

	#report(boot: number, done: "vmm.paused" | "vmm.resumed", work: Promise<void> = Promise.resolve()): void {
		work.then(
			() => this.#owner.tell({ type: done, boot }),
			(cause: unknown) => {
				this.#dependencies.log.warn({ event: "vm.uncontrollable", vm: this.#owner.name, wanted: done, err: cause });
				this.#owner.tell({ type: "vmm.unpausable", boot });
			},
		);
	}

	/** Somebody else has started it. */
	appear(vmm: RunningVmm): void {
		this.#appeared = vmm;
		void vmm.exited.then(async () => {
			if (this.#appeared !== vmm) return;
			this.#appeared = undefined;
			/** Else it has ended before it was ours to take: another one runs here, and it was refused. */
			const isOurs = this.#current?.isOf(vmm) === true;
			if (!isOurs && !this.#owner.isBooting()) await vmm.cleanUp().catch(() => {});
		});
		this.#owner.tell({ type: "vmm.appeared" });
	}

	/** The vm is at rest: what has appeared while it was not is news to it now. */
	atRest(): void {
		if (this.#appeared !== undefined) this.#owner.tell({ type: "vmm.appeared" });
	}

	/** What has appeared. Without a hello it will have failed, and stays up for a look: it is somebody else's. */
	take(boot: number): Overrides {
		const vmm = this.#appeared;
		this.#appeared = undefined;
		if (vmm === undefined) return {};
		const overrides = this.#begin(boot).adopt(vmm);
		void this.#released.then(() => this.openLink());
		return overrides;
	}

	/** Its vmm has ended: its last words are read, its logs kept, its link closed, its files removed, before a next launch begins. */
	release(config: VmConfig, reason: Reason | null): void {
		const instance = this.#current;
		this.#current = undefined;
		if (instance === undefined) return;
		instance.endReason = reason;
		instance.sessions.over();
		/** One that somebody else has started may have been taken while the one before was still being released. */
		this.#released = this.#released
			.then(() => instance.consoleTail())
			.catch(() => [])
			.then((lines) => {
				this.#lastConsole = lines;
			})
			.then(() => this.#dependencies.keepLogs(config, instance.logs))
			.then(() => instance.cleanUp())
			.catch((cause: unknown) => {
				this.#dependencies.log.error({ event: "vm.cleanUpFailed", vm: config.name, err: cause });
			});
	}

	/** Resolves when nothing of an ended vmm is left. */
	async settled(): Promise<void> {
		await this.#released;
	}

	/** The last lines of the console, safe to show: of what runs, else of what ran. */
	async consoleTail(): Promise<string[]> {
		await this.#released;
		return (await this.#current?.consoleTail()) ?? this.#lastConsole;
	}

	#begin(boot: number): Instance {
		const { name, tell, heard } = this.#owner;
		this.#lastConsole = [];
		const events: InstanceEvents = {
			exited: (ended) => tell(toExited(boot, ended)),
			stopping: () => {
				if (this.#owner.boot() === boot) tell({ type: "stop.requested", force: false, by: "systemd" });
			},
			progressed: (phase) => tell({ type: "boot.progressed", boot, phase }),
			guest: (event) => heard(boot, event),
			session: (news) => this.#owner.session(news, instance),
			display: (event) => this.#owner.display(boot, event),
		};
		const instance = new Instance(name, events, this.#dependencies.adapters);
		this.#current = instance;
		return instance;
	}
}

function toExited(boot: number, { exit, wasAsked, hypervisor, panic }: Ended): VmEvent {
	const failure = wasAsked ? null : (exitFailure(exit, hypervisor) ?? panicFailure(panic));
	const rebooted = !wasAsked && failure === null && hasRebooted(exit, hypervisor);
	/** A vmm that could not even start (127 and 126, sh's own) would fail the same way again. */
	const retriable = exit.code !== 127 && exit.code !== 126 && exit.lostHelper === null && exit.cause === null;
	return { type: "vmm.exited", boot, failure, retriable, ...(rebooted && { rebooted }) };
}
