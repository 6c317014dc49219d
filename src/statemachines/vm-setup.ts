/** The vocabulary of the vm machine: its types, effects, guards and delays, which the transition table then uses by name. */
import { setup } from "xstate";
import { isLastRun } from "./leases.ts";
import { bootDeadlineMs, hasWaiting, isUnused, relinkMs, stopsAt, type VmContext, type VmInput } from "./vm-context.ts";
import type { VmAnswer, VmEvent } from "./vm-events.ts";

/** A hole: the composition root fills it with `.provide()`. */
const hole = (): void => {};

export const vmSetup = setup({
	types: {
		context: {} as VmContext,
		events: {} as VmEvent,
		input: {} as VmInput,
		emitted: {} as VmAnswer,
	},
	actions: {
		/** Start the vmm of boot `context.boot`. */
		launchVmm: hole,
		/** Ask the guest's agent to power off. */
		askPoweroff: hole,
		terminateVmm: hole,
		killVmm: hole,
		/** The vmm has ended: close its link, remove its files. */
		releaseVmm: hole,
	},
	guards: {
		isThisBoot: ({ context, event }) => "boot" in event && event.boot === context.boot,
		isDisposable: ({ context }) => context.disposable,
		isForced: ({ event }) => event.type === "stop.requested" && event.force,
		isUnused: ({ context }) => isUnused(context),
		isLinked: ({ context }) => context.linked,
		hasWaiting: ({ context }) => hasWaiting(context),
		/** Whoever wanted to run something in this disposable leaves, and nobody else waits for it. */
		isLastOfDisposable: ({ context, event }) =>
			context.disposable && event.type === "request.withdrawn" && isLastRun(context.leases, event.request),
		vmmAlive: ({ context }) => context.vmmAlive,
		/** One retry for a vmm that ended, within the same bootTimeout. */
		mayRetry: ({ context, event }) =>
			event.type === "vmm.exited" && event.retriable && context.attempt === 1 && hasWaiting(context),
		kernelIsSilent: ({ context }) => context.phase === "vmm" && context.attempt === 1 && context.boot > 0,
		endedInOrder: ({ event }) => event.type === "vmm.exited" && event.failure === null,
		/** The idle timer looks again before it acts. */
		idleIsOver: ({ context }) => {
			const due = stopsAt(context);
			return isUnused(context) && due !== null && context.now() >= due;
		},
		wasReady: ({ context }) => context.adopted?.saidHello === true,
		wasBooting: ({ context }) => context.adopted !== null,
	},
	delays: {
		bootDeadline: ({ context }) => bootDeadlineMs(context),
		/** Half of the deadline leaves the second attempt as much time as the first had. */
		silentKernel: ({ context }) => Math.floor(context.bootTimeoutMs / 2),
		relinkBound: relinkMs,
		askBound: ({ context }) => context.bounds.askMs,
		terminateBound: ({ context }) => context.bounds.terminateMs,
		killBound: ({ context }) => context.bounds.killMs,
	},
});
