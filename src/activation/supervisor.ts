/**
 * The port of whoever keeps the vmm processes: systemd where a user manager runs, else ourselves (direct-supervisor.ts).
 * What it starts belongs to the user's login, not to the broker: it outlives the broker, and a later broker adopts it.
 */
import type { LaunchPlan } from "../launch-plan.ts";

/** How a vmm ended. Both `code` and `signal` are null when nobody could see it: the one who reaps was killed too, or it never ran. */
export interface VmmExit {
	readonly code: number | null;
	/** Such as "SIGKILL". A status of 129 to 192 counts as a signal: a shell can't tell `exit 137` from a SIGKILL. */
	readonly signal: string | null;
	/** Name of the helper that failed to start, or whose end took the vmm with it. */
	readonly lostHelper: string | null;
	/** The end of the vmm's log, at most 4 KiB. The guest has a say in it: filter it before a terminal sees it. */
	readonly log: string;
}

/** One vmm, from its start to the removal of its directory. Keeps no event loop alive. */
export interface RunningVmm {
	readonly vm: string;
	/** Random token of this start, the same after an adoption. */
	readonly boot: string;
	/** What was started; after an adoption what was started then, not what the configuration says now. */
	readonly plan: LaunchPlan;
	/** The vmm's process id; null while it has none, or where that can't be found out. */
	pid(): number | null;
	/** CLOCK_BOOTTIME at the start. */
	readonly startedAtUptimeMs: number;
	/** Resolves when the vmm and its helpers are gone; never rejects. */
	readonly exited: Promise<VmmExit>;
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
	/** What ended while no broker looked; already cleaned up. */
	readonly ended: readonly { readonly vm: string; readonly boot: string; readonly exit: VmmExit }[];
}

export interface Supervisor {
	/**
	 * Starts the helpers and the vmm. Resolves when the vmm has its process or could not get one, which `exited` tells:
	 * that it runs says nothing about the guest. `boot` is 8 to 64 letters and digits, fresh for each start.
	 * Throws Busy when the vm runs already, BootFailed when the host has no room for it; then nothing is left behind.
	 */
	start(plan: LaunchPlan, boot: string): Promise<RunningVmm>;
	/** To be called once, before the first start. */
	adopt(): Promise<Adoption>;
}
