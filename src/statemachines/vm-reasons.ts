/** Why a vm is as it is: each sentence that the machine says of it. */
import { phaseWords } from "../protocol/boot-phases.ts";
import { formatDuration } from "./duration.ts";
import { bootLimitMs, idleLimitMs, type StopCause, type VmContext } from "./vm-context.ts";
import type { Reason, VmEvent } from "./vm-events.ts";
import { vmSetup } from "./vm-setup.ts";

/** Sets the reason, unless the boot or the end already has one: the first wins. */
const keepReason = (reason: (context: VmContext, event: VmEvent) => Reason | null) =>
	vmSetup.assign({ reason: ({ context, event }) => context.reason ?? reason(context, event) });

/** What its owner is told of a stop that comes by itself, or came. */
export const stopSentences: Readonly<Record<StopCause, (context: VmContext) => string>> = {
	idle(context) {
		if (!context.disposable) return `idle for ${formatDuration(idleLimitMs(context) ?? 0)}`;
		return context.used
			? "its last command ended, and it is disposable"
			: "nothing was run in it, and it is disposable";
	},
	pause: ({ pauseTimeoutMs }) => `paused for ${formatDuration(pauseTimeoutMs)}`,
	lifetime: ({ maxLifetimeMs }) => `its maxLifetime of ${formatDuration(maxLifetimeMs)} is over`,
};

const stopReasonOf = (cause: StopCause) =>
	keepReason((context) => ({ code: "Stopped", sentence: stopSentences[cause](context) }));

export const idleReason = stopReasonOf("idle");
export const pauseReason = stopReasonOf("pause");
export const lifetimeReason = stopReasonOf("lifetime");

export const dependencyReason = keepReason((_, event) => (event.type === "dependencies.failed" ? event.failure : null));

const toStopReason = (event: VmEvent): Reason => ({
	code: "Stopped",
	sentence:
		event.type === "stop.requested" && event.by === "systemd"
			? "stopped by systemd (systemctl stop, or the end of the login)"
			: "stopped by request",
});

export const stopReason = keepReason((_, event) => toStopReason(event));

export const bootTimeoutReason = keepReason((context) => ({
	code: "BootTimeout",
	sentence: `no hello within ${formatDuration(bootLimitMs(context))}; reached ${phaseWords[context.phase]}`,
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

export const deafReason = keepReason(() => ({
	code: "Unresponsive",
	sentence: "its guest did not answer when it was resumed",
}));

/** Those who waited have left, or a stop has sent them away. */
export const forNobodyReason = keepReason((_, event) =>
	event.type === "stop.requested"
		? toStopReason(event)
		: { code: "Stopped", sentence: "nobody waited any more for the vms that it depends on" },
);

/** By itself, or because an earlier broker had asked for it. */
export const poweredOff: Reason = { code: "Stopped", sentence: "the guest powered off" };
/** Some vmms end with a reboot of their guest, and say so. */
const rebooted: Reason = { code: "Stopped", sentence: "the guest rebooted" };
export const isGuestsOwnEnd = (reason: Reason | null): boolean =>
	reason?.sentence === poweredOff.sentence || reason?.sentence === rebooted.sentence;

const toOwnEnd = (event: VmEvent): Reason =>
	event.type === "vmm.exited" && event.rebooted === true ? rebooted : poweredOff;

export const poweredOffReason = keepReason((_, event) => toOwnEnd(event));

export const bootPowerOffReason = keepReason(
	(context, event) =>
		context.firstFault ?? {
			code: "BootFailed",
			sentence: `${toOwnEnd(event).sentence} while booting; reached ${phaseWords[context.phase]}`,
		},
);

export const stuckReason = vmSetup.assign({
	reason: ({ context }): Reason => ({
		code: "BootFailed",
		sentence: `its vmm does not end, ${formatDuration(context.shutdown.killMs)} after SIGKILL`,
		remedy: "look at the host's kernel log: journalctl -k",
	}),
});

export const faultOf = (event: VmEvent): Reason | null => (event.type === "vmm.exited" ? event.failure : null);
