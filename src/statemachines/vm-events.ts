/** What a vm's machine is told, and what it answers. `boot` counts the starts of this vm: a late event of an earlier boot is dropped. */
import type { ErrorCode } from "../errors.ts";
import type { GuestReport } from "./leases.ts";

/** Boot phases, in order: the vmm runs; the guest's kernel handed over to init; its root is mounted; the agent starts. */
export const bootPhases = ["vmm", "init", "root", "agent"] as const;
export type BootPhase = (typeof bootPhases)[number];

/** Why the vm is as it is. The first one of a boot, or of an end, is kept and shown everywhere. */
export interface Reason {
	readonly code: ErrorCode | "Stopped";
	/** A sentence's rest after the vm's name: "was idle for 10 min". */
	readonly sentence: string;
	readonly remedy?: string;
}

export type VmEvent =
	| { readonly type: "run.requested"; readonly request: number; readonly label: string }
	| { readonly type: "start.requested"; readonly request: number }
	/** To a session of the boot that runs now: a vm that is not up has none, and is not booted for it. */
	| { readonly type: "attach.requested"; readonly request: number; readonly label: string }
	/** The requester is gone, or has waited long enough. Also gives back the ticket that it may hold. */
	| { readonly type: "request.withdrawn"; readonly request: number }
	| { readonly type: "ticket.granted"; readonly request: number; readonly session: number; readonly label: string }
	| { readonly type: "stop.requested"; readonly force: boolean }
	| { readonly type: "boot.progressed"; readonly boot: number; readonly phase: BootPhase }
	/** The vmm could not be started, or has ended; `failure` is null where it ended in good order. */
	| { readonly type: "vmm.exited"; readonly boot: number; readonly failure: Reason | null; readonly retriable: boolean }
	/** `wasUsed`: it has been told of a ticket in this boot. */
	| (GuestReport & { readonly type: "guest.hello"; readonly boot: number; readonly wasUsed: boolean })
	| (GuestReport & { readonly type: "guest.heartbeat"; readonly boot: number })
	/** The control connection closed. */
	| { readonly type: "guest.disconnected"; readonly boot: number }
	/** The machine's own timers. */
	| { readonly type: "ticket.expired"; readonly boot: number; readonly request: number }
	| { readonly type: "request.overdue"; readonly request: number }
	| { readonly type: "heartbeat.missed"; readonly boot: number }
	| { readonly type: "idle.elapsed"; readonly boot: number };

/** Each request is answered exactly once. `ready` also means, for a run or an attachment, that a ticket lease now holds the vm. */
export type VmAnswer = {
	readonly type: "request.answered";
	readonly request: number;
	readonly refusal: Reason | null;
};
