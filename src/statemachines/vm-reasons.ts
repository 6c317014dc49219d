/** Why a vm is as it is: each sentence that the machine says of it. */
import { formatDuration } from "./duration.ts";
import { idleLimitMs, type VmContext } from "./vm-context.ts";
import type { Reason, VmEvent } from "./vm-events.ts";
import { vmSetup } from "./vm-setup.ts";

/** Sets the reason, unless the boot or the end already has one: the first wins. */
const keepReason = (reason: (context: VmContext, event: VmEvent) => Reason | null) =>
	vmSetup.assign({ reason: ({ context, event }) => context.reason ?? reason(context, event) });

export const idleReason = keepReason((context) => ({
	code: "Stopped",
	sentence: context.disposable
		? context.used
			? "its last command ended, and it is disposable"
			: "nothing was run in it, and it is disposable"
		: `idle for ${formatDuration(idleLimitMs(context) ?? 0)}`,
}));

export const stopReason = keepReason(() => ({ code: "Stopped", sentence: "stopped by request" }));

export const bootTimeoutReason = keepReason((context) => ({
	code: "BootTimeout",
	sentence: `no hello within ${formatDuration(context.bootTimeoutMs)}; reached ${context.phase}`,
}));

export const exitReason = keepReason((context, event) => context.firstFault ?? faultOf(event));

/** A SIGKILL of ours is not what went wrong. */
export const noteSilentKernel = vmSetup.assign({
	firstFault: ({ context }): Reason => ({
		code: "BootFailed",
		sentence: `its kernel said nothing for ${formatDuration(context.now() - context.bootBeganAt)}`,
	}),
});

export const abandonedReason = keepReason(() => ({
	code: "Stopped",
	sentence: "nobody waits for its boot any more, and it is disposable",
}));

export const poweredOffReason = keepReason(() => ({ code: "Stopped", sentence: "the guest powered off" }));

export const bootPowerOffReason = keepReason(
	(context) =>
		context.firstFault ?? {
			code: "BootFailed",
			sentence: `the guest powered off while booting; reached ${context.phase}`,
		},
);

export const stuckReason = vmSetup.assign({
	reason: ({ context }): Reason => ({
		code: "BootFailed",
		sentence: `its vmm does not end, ${formatDuration(context.bounds.killMs)} after SIGKILL`,
		remedy: "look at the host's kernel log: journalctl -k",
	}),
});

export const faultOf = (event: VmEvent): Reason | null => (event.type === "vmm.exited" ? event.failure : null);
