/** The vocabulary of the vm machine: its types, effects, guards and delays, which the transition table then uses by name. */
import { setup } from "xstate";
import { isLastRun } from "./leases.ts";
import {
	askedAtOf,
	bootDeadlineMs,
	bootLimitMs,
	dueNow,
	hasWaiting,
	hearMs,
	idleLimitMs,
	isUnused,
	listenMs,
	mayPause,
	mayReboot,
	quietMs,
	relinkMs,
	type VmContext,
	type VmInput,
} from "./vm-context.ts";
import type { VmAnswer, VmEvent, VmNotice } from "./vm-events.ts";

/** A hole: the composition root fills it with `.provide()`. */
const hole = (): void => {};

export const vmSetup = setup({
	types: {
		context: {} as VmContext,
		events: {} as VmEvent,
		input: {} as VmInput,
		emitted: {} as VmAnswer | VmNotice,
	},
	actions: {
		/** Have the vms ready that boot `context.boot` needs: dependencies.ready or dependencies.failed says so. */
		awaitDependencies: hole,
		/** Start the vmm of boot `context.boot`. */
		launchVmm: hole,
		/** Take in the vmm that somebody else has started, as boot `context.boot`. */
		takeVmm: hole,
		/** Ask the guest's agent to power off. */
		askPoweroff: hole,
		/** Press the guest's power button: whoever handles that in it ends it in order. */
		pressPowerButton: hole,
		/** vmm.paused or vmm.unpausable says what has come of it. */
		pauseVmm: hole,
		/** Also tells the guest what it has missed; vmm.resumed or vmm.unpausable says what has come of it. */
		resumeVmm: hole,
		/**
		 * Count anew how long the guest of `context.boot` says nothing; what it says without being told here counts as well.
		 * heartbeat.missed says that it has been too long.
		 */
		countSilence: hole,
		/** Its guest can't be heard, and is not missed. */
		ignoreSilence: hole,
		terminateVmm: hole,
		killVmm: hole,
		/** The vmm has ended: close its link, remove its files. */
		releaseVmm: hole,
		/** What held for as long as this boot does so no longer; a retry is of the same boot. */
		endBoot: hole,
	},
	guards: {
		isThisBoot: ({ context, event }) => "boot" in event && event.boot === context.boot,
		isDisposable: ({ context }) => context.disposable,
		isForced: ({ event }) => event.type === "stop.requested" && event.force,
		/** Asked before anybody asked for this boot: what it was about has ended. */
		isLate: ({ context, event }) => event.type === "stop.requested" && askedAtOf(context, event) < context.bootAskedAt,
		isUnused: ({ context }) => isUnused(context),
		isLinked: ({ context }) => context.linked,
		hasWaiting: ({ context }) => hasWaiting(context),
		/** Whoever wanted to run something in this disposable leaves, and nobody else waits for it. */
		isLastOfDisposable: ({ context, event }) =>
			context.disposable && event.type === "request.withdrawn" && isLastRun(context.leases, event.request),
		vmmAlive: ({ context }) => context.vmmAlive,
		/** One retry for a vmm that ended, within the same bootTimeout. */
		mayRetry: ({ context, event }) =>
			event.type === "vmm.exited" &&
			event.retriable &&
			context.attempt === 1 &&
			(hasWaiting(context) || context.rebooted),
		kernelIsSilent: ({ context }) => context.phase === "vmm" && context.attempt === 1 && context.boot > 0,
		endedInOrder: ({ event }) => event.type === "vmm.exited" && event.failure === null,
		/** Its guest has rebooted, which the configuration has as another boot. */
		isReboot: ({ context, event }) => event.type === "vmm.exited" && event.rebooted === true && mayReboot(context),
		/** Somebody waits for it, or it boots by its guest's own will. */
		isWanted: ({ context }) => hasWaiting(context) || context.rebooted,
		isPaused: ({ context }) => context.paused,
		/** Somebody wants it, or it is no longer to be paused. */
		mustRun: ({ context }) => context.leases.size > 0 || !mayPause(context) || idleLimitMs(context) === null,
		isHeld: ({ context }) => context.leases.size > 0,
		hasDependencies: ({ context }) => context.dependsOn.length > 0,
		/** Each timer looks again before it acts. */
		idleIsOver: ({ context }) => isUnused(context) && dueNow(context) === "idle",
		mayPause: ({ context }) => mayPause(context),
		pauseIsOver: ({ context }) => dueNow(context) === "pause",
		lifeIsOver: ({ context }) => dueNow(context) === "lifetime",
		isForOther: ({ event }) => event.type === "start.requested" && event.forOther === true,
		isCooling: ({ context }) => context.now() < context.coolsUntil,
		wasPaused: ({ context }) => context.adopted?.wasPaused === true,
		wasReady: ({ context }) => context.adopted?.saidHello === true,
		wasBooting: ({ context }) => context.adopted !== null,
	},
	delays: {
		bootDeadline: ({ context }) => bootDeadlineMs(context),
		/** Half of the deadline leaves the second attempt as much time as the first had. */
		silentKernel: ({ context }) =>
			Math.max(0, context.bootBeganAt + Math.floor(bootLimitMs(context) / 2) - context.now()),
		relinkBound: relinkMs,
		askBound: ({ context }) => context.shutdown.askMs,
		hearBound: hearMs,
		quietBound: quietMs,
		listenBound: listenMs,
		buttonBound: ({ context }) => context.shutdown.buttonMs,
		terminateBound: ({ context }) => context.shutdown.terminateMs,
		killBound: ({ context }) => context.shutdown.killMs,
	},
});
