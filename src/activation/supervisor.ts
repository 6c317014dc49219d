/**
 * The port of whoever keeps the vmm processes: systemd where a user manager runs, else ourselves (direct-supervisor.ts).
 * What it starts belongs to the user's login, not to the broker: it outlives the broker, and a later broker adopts it.
 */
import type { Observable } from "rxjs";
import type { LaunchPlan } from "../launch-plan.ts";

/** How a vmm ended. Both `code` and `signal` are null when nobody could see it: the one who reaps was killed too, or it never ran. */
export interface VmmExit {
	readonly code: number | null;
	/** Such as "SIGKILL". A status of 129 to 192 counts as a signal: a shell can't tell `exit 137` from a SIGKILL. */
	readonly signal: string | null;
	/** Name of the helper that failed to start, or whose end took the vmm with it. */
	readonly lostHelper: string | null;
	/** What else is known of the end, as the rest of a sentence after the vm's name: "used more memory than it may". Null if nothing. */
	readonly cause: string | null;
	/** The end of the vmm's log, at most 4 KiB. The guest has a say in it: filter it before a terminal sees it. */
	readonly log: string;
}

/** A `cause`. */
export const outOfMemory = "used more memory than it may (MemoryMax of its unit, or the host's)";

/** What a broker needs to know of a vm that runs. */
export type StartedPlan = Pick<LaunchPlan, "vm" | "base" | "id" | "hypervisor" | "directory" | "vsock" | "control">;

/** One vmm, from its start to the removal of its directory. Keeps no event loop alive. */
export interface RunningVmm {
	readonly vm: string;
	/** Who keeps it. */
	readonly supervisor: "systemd" | "direct";
	/** Random token of this start, the same after an adoption. */
	readonly boot: string;
	/** What was started; after an adoption what was started then, not what the configuration says now. */
	readonly plan: StartedPlan;
	/** Where the vmm's logs are: its runtime directory, or what is left of that after the end, until cleanUp. */
	readonly logs: string;
	/** The vmm's process id; null while it has none, or where that can't be found out. */
	pid(): number | null;
	/** CLOCK_BOOTTIME at the start. */
	readonly startedAtUptimeMs: number;
	/** Resolves when the vmm and its helpers are gone; never rejects. */
	readonly exited: Promise<VmmExit>;
	/** Resolves if somebody else stops the vm (`systemctl stop`, the end of the login): the guest should be asked to end. */
	readonly stopping: Promise<void>;
	/** Asks the vmm process to end (SIGTERM). No effect after its end. */
	terminate(): void;
	/** Ends the vmm now, and whatever it started: `exited` follows within a bound. No effect after its end. */
	kill(): void;
	/** Waits for `exited`, then removes the runtime directory, unless a later start of the vm owns it. Idempotent. */
	cleanUp(): Promise<void>;
}

/** What an earlier broker left behind. */
export interface Adoption {
	readonly running: readonly RunningVmm[];
	/** What ended while no broker looked, of each vm the oldest first. */
	readonly ended: readonly EndedVmm[];
}

export interface EndedVmm extends Pick<RunningVmm, "vm" | "boot" | "logs"> {
	readonly exit: VmmExit;
	/** Removes what it has left, its logs as well. Idempotent. */
	cleanUp(): Promise<void>;
}

export interface Supervisor {
	/** What somebody else has started (`systemctl start`), from adopt() on; to be subscribed to once. Never ends. */
	readonly appeared: Observable<RunningVmm>;
	/** What had ended before, and is found only after adopt(); to be subscribed to once. Never ends. */
	readonly endedUnseen: Observable<EndedVmm>;
	/**
	 * Starts the helpers and the vmm. Resolves when the vmm has its process or could not get one, which `exited` tells:
	 * that it runs says nothing about the guest. `boot` is 8 to 64 letters and digits, fresh for each start.
	 * One that somebody else has started meanwhile is what it resolves with, where it is the same supervisor's; else it throws
	 * Busy. Throws BootFailed when the host has no room for it. Nothing is left behind by what it throws.
	 * `cancel` ends a start that takes its time; who heeds it throws.
	 */
	start(plan: LaunchPlan, boot: string, cancel?: AbortSignal): Promise<RunningVmm>;
	/** To be called once, before the first start. */
	adopt(): Promise<Adoption>;
	/** Whether this vm may run, and can't be seen: who keeps it does not answer. */
	isHidden(vm: string): boolean;
	/** What the user's session has told it of itself, such as WAYLAND_DISPLAY; empty where sessions tell it nothing. May reject. */
	sessionVariables(): Promise<ReadonlyMap<string, string>>;
	/** Takes away what could start a vm of any other name than `vms`, where it has made that itself. Never rejects. */
	keepOnly(vms: ReadonlySet<string>): Promise<void>;
}
