/** How a vm is ended. */
import { and, not } from "xstate";
import * as act from "./vm-actions.ts";
import * as why from "./vm-reasons.ts";
import * as ask from "./vm-requests.ts";
import { vmSetup } from "./vm-setup.ts";

/** Ends, each step harsher and bounded. Who asks now waits, and is served by the next boot. */
export const shutdown = vmSetup.createStateConfig({
	entry: [act.enter, act.forgetReboot],
	initial: "beginning",
	states: {
		beginning: {
			always: [
				{ guard: "isPaused", target: "waking" },
				{ guard: not("isLinked"), target: "relinking" },
				{ target: "asking" },
			],
		},
		asking: {
			entry: "askPoweroff",
			/** What was asked may have been lost with the connection; asking again does not put off askBound. */
			on: { "guest.hello": { guard: "isThisBoot", actions: "askPoweroff" } },
			after: { askBound: "pressing" },
		},
		/** A guest that is paused can't power off. */
		waking: {
			entry: "resumeVmm",
			on: {
				"vmm.resumed": { guard: "isThisBoot", target: "beginning", actions: act.noteResumed },
				"vmm.unpausable": { guard: "isThisBoot", target: "pressing", actions: act.noteUnpausable },
			},
		},
		/** The agent dials again at once after a loss; SIGTERM would be a power cut to its guest. */
		relinking: {
			on: { "guest.hello": { guard: "isThisBoot", target: "asking", actions: act.noteGuest } },
			after: { relinkBound: "pressing" },
		},
		/** The guest's init may hear what its agent does not. */
		pressing: {
			entry: "pressPowerButton",
			on: { "guest.hello": { guard: "isThisBoot", actions: "askPoweroff" } },
			after: { buttonBound: "terminating" },
		},
		terminating: { entry: "terminateVmm", after: { terminateBound: "killing" } },
		killing: {
			entry: "killVmm",
			/** Nothing is harsher; and whoever repeats it does not put off killBound. */
			on: { "stop.requested": { actions: [why.stopReason, ask.refuseStopped] } },
			after: { killBound: { target: "#vm.failed", actions: [why.stuckReason, ask.refuseWaiting] } },
		},
	},
	on: {
		"run.requested": { actions: ask.addRequest },
		"start.requested": { actions: ask.addRequest },
		"stop.requested": [
			{ guard: "isForced", target: ".killing", actions: [why.stopReason, ask.refuseStopped] },
			{ actions: [why.stopReason, ask.refuseStopped] },
		],
		"vmm.exited": [
			{
				guard: and(["isThisBoot", "hasWaiting"]),
				target: "booting",
				actions: [ask.refuseAttachments, act.forgetGuest],
			},
			{ guard: "isThisBoot", target: "stopped", actions: [ask.refuseAttachments, act.forgetGuest] },
		],
	},
});
