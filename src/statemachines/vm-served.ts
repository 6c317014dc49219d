/** What a vm does in ready and idle alike, for it serves in both. */
import { and } from "xstate";
import * as act from "./vm-actions.ts";
import * as why from "./vm-reasons.ts";
import * as ask from "./vm-requests.ts";

/** Whoever asks is answered as soon as the guest can serve. */
export const served = {
	"run.requested": { actions: [ask.addRequest, ask.boundWait, ask.answerWaiting] },
	"start.requested": { actions: [ask.addRequest, ask.boundWait, ask.answerWaiting] },
	"attach.requested": { actions: [ask.addRequest, ask.boundWait, ask.answerWaiting] },
	"guest.hello": { guard: "isThisBoot", actions: [act.noteGuest, act.noteReady, ask.answerWaiting] },
	"guest.heartbeat": { guard: and(["isThisBoot", "isLinked"]), actions: [act.noteGuest, ask.answerWaiting] },
	"guest.disconnected": { guard: "isThisBoot", actions: act.noteDisconnect },
	"heartbeat.missed": { guard: "isThisBoot", actions: act.noteSilence },
	"request.overdue": { actions: ask.refuseOverdue },
	"vmm.exited": [
		/** Powered off from within while somebody waits: they are served by the next boot. */
		{
			guard: and(["isThisBoot", "endedInOrder", "hasWaiting"]),
			target: "#vm.booting",
			actions: [why.poweredOffReason, ask.refuseAttachments, act.noteReboot, act.forgetGuest],
		},
		{
			guard: and(["isThisBoot", "isReboot"]),
			target: "#vm.booting",
			actions: [why.poweredOffReason, ask.refuseAttachments, act.noteReboot, act.forgetGuest],
		},
		{
			guard: and(["isThisBoot", "endedInOrder"]),
			target: "#vm.stopped",
			actions: [why.poweredOffReason, ask.refuseWaiting, act.forgetGuest],
		},
		{ guard: "isThisBoot", target: "#vm.failed", actions: [why.exitReason, ask.refuseWaiting, act.forgetGuest] },
	],
	"stop.requested": [
		{ guard: "isLate", actions: ask.refuseStopped },
		{ guard: "isForced", target: "#vm.shutdown.killing", actions: [why.stopReason, ask.refuseStopped] },
		{ target: "#vm.shutdown", actions: [why.stopReason, ask.refuseStopped] },
	],
	"settings.changed": { actions: [act.noteSettings, act.armDue] },
	"stop.near": { guard: "isThisBoot", actions: act.announceStop },
} as const;

/** Caps a vm that is busy for ever, or whose guest says that it is. */
export const endsItsLife = {
	guard: and(["isThisBoot", "lifeIsOver"]),
	target: "#vm.shutdown",
	actions: why.lifetimeReason,
} as const;
export const looksAgain = { guard: "isThisBoot", actions: act.armDue } as const;
