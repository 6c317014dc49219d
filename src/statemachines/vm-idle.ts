/** How a vm rests: what leads to a pause, to a resume, or to its stop. */
import { and, not } from "xstate";
import * as act from "./vm-actions.ts";
import * as why from "./vm-reasons.ts";
import * as ask from "./vm-requests.ts";
import { endsItsLife, looksAgain, served } from "./vm-served.ts";
import { vmSetup } from "./vm-setup.ts";

/** It speaks again after a pause. */
const heard = [act.noteResumed, act.noteUse, act.noteGuest, act.noteReady, ask.answerWaiting] as const;

const hears = {
	"guest.heartbeat": { guard: and(["isThisBoot", "isLinked"]), target: "running", actions: heard },
	"guest.hello": { guard: "isThisBoot", target: "running", actions: heard },
} as const;

/** It had no lease when it was paused, and who waits for it is served by another boot. */
const endsDeaf = {
	target: "#vm.shutdown.pressing",
	actions: [why.deafReason, ask.refuseAttachments, act.noteUnpausable],
} as const;
const killsDeaf = { ...endsDeaf, target: "#vm.shutdown.killing" } as const;

/** Whoever a disposable is resumed for has left. */
const abandoned = [
	{
		guard: "isLastOfDisposable",
		target: "#vm.shutdown.terminating",
		actions: [ask.dropRequest, why.abandonedReason],
	},
	{ actions: ask.dropRequest },
] as const;

/** Counts as use, and it may be another idleTimeout that holds from now on. */
const startsAnew = {
	"start.requested": { target: "running", actions: [ask.addRequest, ask.boundWait, ask.answerWaiting, act.noteUse] },
	"settings.changed": { target: "running", actions: act.noteSettings },
} as const;

/** Serves; nothing holds it since `idleSince`. It may be paused: then it is resumed for whoever comes. */
export const idle = vmSetup.createStateConfig({
	entry: act.noteIdle,
	exit: act.disarmDue,
	initial: "running",
	states: {
		running: {
			entry: act.armDue,
			always: { guard: not("isUnused"), target: "#vm.ready" },
			on: {
				"stop.due": [
					endsItsLife,
					/** A timer may be early, and time goes on from one guard to the next: none of them may be the other one's "else". */
					{ guard: and(["isThisBoot", "mayPause", "idleIsOver"]), target: "settling" },
					{
						guard: and(["isThisBoot", not("mayPause"), "idleIsOver"]),
						target: "#vm.shutdown",
						actions: why.idleReason,
					},
					looksAgain,
				],
			},
		},
		/**
		 * About to be paused. What is under way between vmm and guest at that moment may cost the guest its connection for good:
		 * so it is right after a heartbeat, when nothing has been said for a while, and nothing will be for some seconds.
		 */
		settling: {
			always: { guard: not("isUnused"), target: "#vm.ready" },
			on: {
				"guest.heartbeat": {
					guard: and(["isThisBoot", "isLinked"]),
					target: "settled",
					actions: [act.noteGuest, ask.answerWaiting],
				},
				...startsAnew,
			},
		},
		settled: {
			always: { guard: not("isUnused"), target: "#vm.ready" },
			on: {
				"guest.heartbeat": {
					guard: and(["isThisBoot", "isLinked"]),
					target: "settled",
					reenter: true,
					actions: [act.noteGuest, ask.answerWaiting],
				},
				...startsAnew,
			},
			after: { quietBound: "pausing" },
		},
		pausing: {
			entry: act.beginPause,
			on: {
				"vmm.paused": { guard: "isThisBoot", target: "paused" },
				/** The next time it is idle for so long it is stopped instead. */
				"vmm.unpausable": { guard: "isThisBoot", target: "running", actions: act.noteUnpausable },
			},
		},
		paused: {
			entry: [act.notePaused, act.armDue],
			always: { guard: "mustRun", target: "resuming" },
			on: {
				"stop.due": [endsItsLife, { guard: and(["isThisBoot", "pauseIsOver"]), target: "waking" }, looksAgain],
			},
		},
		/** For whoever came, which counts as use even where they are gone by now. */
		resuming: {
			entry: "resumeVmm",
			on: {
				"vmm.resumed": { guard: "isThisBoot", target: "hearing" },
				"vmm.unpausable": { ...endsDeaf, guard: "isThisBoot" },
				"request.withdrawn": abandoned,
			},
		},
		/** It runs. Whether its guest can be reached shows when it speaks; one that can't makes room for another boot. */
		hearing: { on: { ...hears, "request.withdrawn": abandoned }, after: { hearBound: "listening" } },
		/** A broker that stood still has words of the guest to read before its timers are right. */
		listening: {
			on: { ...hears, "request.withdrawn": abandoned },
			after: { listenBound: [{ guard: "isDisposable", ...killsDeaf }, endsDeaf] },
		},
		/** To be stopped: a guest that is paused can't power off. */
		waking: {
			entry: "resumeVmm",
			always: { guard: "isHeld", target: "resuming" },
			on: {
				"vmm.resumed": {
					guard: "isThisBoot",
					target: "#vm.shutdown",
					actions: [act.noteResumed, why.pauseReason],
				},
				"vmm.unpausable": {
					guard: "isThisBoot",
					target: "#vm.shutdown.pressing",
					actions: [act.noteUnpausable, why.pauseReason],
				},
			},
		},
	},
	on: {
		...served,
		"start.requested": { actions: [...served["start.requested"].actions, act.noteUse, act.armDue] },
	},
});
