/** How a vm comes up. */
import { and, not } from "xstate";
import * as act from "./vm-actions.ts";
import * as why from "./vm-reasons.ts";
import * as ask from "./vm-requests.ts";
import { vmSetup } from "./vm-setup.ts";

/** A vmm runs, or is about to; its guest has not said hello. */
export const booting = vmSetup.createStateConfig({
	entry: act.enter,
	initial: "beginning",
	states: {
		beginning: {
			entry: act.beginBoot,
			always: [{ guard: "hasDependencies", target: "needing" }, { target: "launching" }],
		},
		/**
		 * Other vms boot first, for as long as somebody waits; each of them has a deadline of its own. Where that comes to nothing, what
		 * held for the first attempt of a boot that is being tried again holds no longer; and it is the others' boots that have failed.
		 */
		needing: {
			entry: [act.beginNeeding, "awaitDependencies"],
			always: { guard: not("isWanted"), target: "#vm.stopped", actions: [why.forNobodyReason, "endBoot"] },
			on: {
				"dependencies.ready": { guard: "isThisBoot", target: "launching" },
				"dependencies.failed": {
					guard: "isThisBoot",
					target: "#vm.failed",
					actions: [why.dependencyReason, ask.refuseWaiting, "endBoot"],
				},
				"request.withdrawn": { actions: ask.dropRequest },
				"stop.requested": { actions: [ask.refuseStopped, act.forgetReboot] },
				/** It may need others from now on: whoever waits for it waits for those. */
				"settings.changed": { target: "beginning", actions: act.noteSettings },
				"vmm.appeared": "taking",
				/** There is none yet. */
				"vmm.exited": {},
				"guest.hello": {},
			},
		},
		launching: { entry: [act.beginLaunch, "launchVmm"], always: "waiting" },
		/** Started by somebody else: by systemctl, or at the login. */
		taking: { entry: [act.beginBoot, act.beginLaunch, "takeVmm"], always: "waiting" },
		/** What it needs may have ended with it, and of one that was taken nobody has waited for that. */
		relaunching: {
			entry: [act.forgetAttempt, act.beginRetry],
			always: [{ guard: "hasDependencies", target: "needing" }, { target: "launching" }],
		},
		/** The deadline is counted here, once the boot has noted its beginning; a retry gets what is left. */
		waiting: {
			after: {
				bootDeadline: [
					{
						guard: "isDisposable",
						target: "#vm.shutdown.killing",
						actions: [why.bootTimeoutReason, act.noteFailedBoot, ask.refuseWaiting],
					},
					{
						target: "#vm.failed",
						actions: [why.bootTimeoutReason, act.noteFailedBoot, ask.refuseWaiting],
					},
				],
				silentKernel: { guard: "kernelIsSilent", actions: [why.noteSilentKernel, "killVmm"] },
			},
			/** The deadline is counted anew, from the same beginning. */
			on: { "settings.changed": { target: "waiting", reenter: true, actions: act.noteSettings } },
		},
	},
	on: {
		"run.requested": { actions: ask.addRequest },
		"start.requested": { actions: ask.addRequest },
		"request.withdrawn": [
			{
				guard: "isLastOfDisposable",
				target: "shutdown.terminating",
				actions: [ask.dropRequest, why.abandonedReason],
			},
			{ actions: ask.dropRequest },
		],
		"boot.progressed": { guard: "isThisBoot", actions: act.notePhase },
		"guest.hello": { guard: "isThisBoot", target: "ready", actions: [act.noteGuest, act.noteReady] },
		"vmm.exited": [
			{ guard: and(["isThisBoot", "mayRetry"]), target: ".relaunching" },
			{
				guard: and(["isThisBoot", "endedInOrder"]),
				target: "failed",
				actions: [why.bootPowerOffReason, act.noteFailedBoot, ask.refuseWaiting, act.forgetGuest],
			},
			{
				guard: "isThisBoot",
				target: "failed",
				actions: [why.exitReason, act.noteFailedBoot, ask.refuseWaiting, act.forgetGuest],
			},
		],
		"stop.requested": [
			{ guard: "isLate", actions: ask.refuseStopped },
			{
				guard: "isForced",
				target: "shutdown.killing",
				actions: [why.stopReason, ask.refuseStopped],
			},
			{ target: "shutdown.terminating", actions: [why.stopReason, ask.refuseStopped] },
		],
	},
});
