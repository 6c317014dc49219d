/** What a vm's machine is told, and what it answers. `boot` counts the starts of this vm: a late event of an earlier boot is dropped. */
import type { ErrorCode } from "../errors.ts";
import type { BootPhase, PhaseTimes } from "../protocol/boot-phases.ts";
import type { GuestReport } from "./leases.ts";

/** Why the vm is as it is. The first one of a boot, or of an end, is kept and shown everywhere. */
export interface Reason {
	readonly code: ErrorCode | "Stopped";
	/** A sentence's rest after the vm's name: "was idle for 10 min". */
	readonly sentence: string;
	readonly remedy?: string;
	/** The vm that is to blame where that is another one, which this one depends on; and what a sentence about it goes on with. */
	readonly fault?: { readonly vm: string; readonly words: string };
}

/** How long each step of a shutdown may take before the next, harsher one. */
export interface ShutdownBounds {
	/** The guest's agent was asked: commands may end by themselves, and disks are synced. */
	readonly askMs: number;
	/** The power button was pressed: the guest may end in order without its agent. */
	readonly buttonMs: number;
	/** The vmm got SIGTERM. */
	readonly terminateMs: number;
	/** The vmm got SIGKILL; beyond this it is stuck in the kernel, and the vm is failed. */
	readonly killMs: number;
}

/** What of a vm's configuration its machine goes by. */
export interface VmSettings {
	readonly disposable: boolean;
	/** 0: never by idleness. */
	readonly idleTimeoutMs: number;
	/** What its idleTimeout leads to. */
	readonly idleAction: "stop" | "pause";
	/** What a reboot of its guest leads to. */
	readonly rebootAction: "stop" | "restart";
	/** From the pause to the stop; 0: it stays paused. */
	readonly pauseTimeoutMs: number;
	/** From the start of its vmm to a stop, whatever holds it; 0: never. */
	readonly maxLifetimeMs: number;
	readonly bootTimeoutMs: number;
	readonly shutdown: ShutdownBounds;
	/** Names of the vms that must be ready before its vmm starts. */
	readonly dependsOn: readonly string[];
}

/** When it was asked for, on the machine's clock: before now where an earlier broker was asked first. Absent: now. */
interface Asked {
	readonly askedAt?: number;
}

export type VmEvent =
	| (Asked & { readonly type: "run.requested"; readonly request: number; readonly label: string })
	/** `forOther`: by no person, but for a vm that needs this one. */
	| (Asked & { readonly type: "start.requested"; readonly request: number; readonly forOther?: true })
	/** To a session of the boot that runs now: a vm that is not up has none, and is not booted for it. */
	| (Asked & { readonly type: "attach.requested"; readonly request: number; readonly label: string })
	/** The requester is gone, or has waited long enough. Also gives back the ticket that it may hold. */
	| { readonly type: "request.withdrawn"; readonly request: number }
	| { readonly type: "ticket.granted"; readonly request: number; readonly session: number; readonly label: string }
	/** `by`: who does it, where that is no client of ours. */
	| (Asked & { readonly type: "stop.requested"; readonly force: boolean; readonly by?: "systemd" })
	/** Somebody on the host keeps it from stopping by idleness, until the same number is released. */
	| { readonly type: "inhibit.requested"; readonly inhibitor: number; readonly label: string }
	| { readonly type: "inhibit.released"; readonly inhibitor: number }
	/** All windows of its programs that are open on the host now. */
	| {
			readonly type: "windows.changed";
			readonly boot: number;
			readonly windows: readonly { readonly id: number; readonly label: string }[];
	  }
	/** Another vm, which needs this one, is up or about to be; or no longer. */
	| { readonly type: "dependant.came"; readonly vm: number; readonly label: string }
	| { readonly type: "dependant.went"; readonly vm: number }
	/** The vms that this one needs are ready, or can't be. */
	| { readonly type: "dependencies.ready"; readonly boot: number }
	| { readonly type: "dependencies.failed"; readonly boot: number; readonly failure: Reason }
	/** What pauseVmm and resumeVmm have come to; `unpausable`: the vmm did neither. */
	| { readonly type: "vmm.paused"; readonly boot: number }
	| { readonly type: "vmm.resumed"; readonly boot: number }
	| { readonly type: "vmm.unpausable"; readonly boot: number }
	/** Somebody else has started its vmm. */
	| { readonly type: "vmm.appeared" }
	/** What follows holds from now on, for a boot that runs as well. `isConfigured`: the configuration has changed. */
	| (VmSettings & { readonly type: "settings.changed"; readonly isConfigured?: true })
	| { readonly type: "boot.progressed"; readonly boot: number; readonly phase: BootPhase }
	/** The vmm could not be started, or has ended; `failure` is null where it ended in good order, `rebooted`: because its guest rebooted. */
	| {
			readonly type: "vmm.exited";
			readonly boot: number;
			readonly failure: Reason | null;
			readonly retriable: boolean;
			readonly rebooted?: true;
	  }
	/** `wasUsed`: it has been told of a ticket in this boot. */
	| (GuestReport & { readonly type: "guest.hello"; readonly boot: number; readonly wasUsed: boolean })
	| (GuestReport & { readonly type: "guest.heartbeat"; readonly boot: number })
	/** The control connection closed. */
	| { readonly type: "guest.disconnected"; readonly boot: number }
	/** The machine's own timers. */
	| { readonly type: "ticket.expired"; readonly boot: number; readonly request: number }
	| { readonly type: "request.overdue"; readonly request: number }
	| { readonly type: "heartbeat.missed"; readonly boot: number }
	/** A stop, or a pause, may be due, or comes near. */
	| { readonly type: "stop.due"; readonly boot: number }
	| { readonly type: "stop.near"; readonly boot: number };

/** Each request is answered exactly once. `ready` also means, for a run or an attachment, that a ticket lease now holds the vm. */
export type VmAnswer = {
	readonly type: "request.answered";
	readonly request: number;
	readonly refusal: Reason | null;
};

/** What a machine says without having been asked. */
export type VmNotice =
	/** It is about to be stopped, at `at` on the machine's clock, unless something comes between. */
	| { readonly type: "stop.announced"; readonly at: number; readonly sentence: string }
	/** Something has. */
	| { readonly type: "stop.averted" }
	/** A boot has led to a hello: how long it took, and when each of its phases began, in ms since the start of the vmm. */
	| { readonly type: "boot.finished"; readonly ms: number; readonly phases: PhaseTimes };
