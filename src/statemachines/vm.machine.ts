/**
 * One vm's life: stopped → booting → ready ⇄ idle → shutdown → stopped, and failed. Pure: it decides, and its effects
 * are the named holes of vm-setup.ts. Time comes from the actor's clock and `input.now`.
 *
 * What the transitions keep:
 * - one boot serves everybody who waits, and each request is answered exactly once;
 * - only a hello makes a vm ready; silence makes it unresponsive, which is busy, never idle;
 * - a request during shutdown is remembered, and boots the vm again when the vmm has ended;
 * - an event of an earlier boot is dropped, and a timer looks again before it acts.
 */
import { and, not } from "xstate";
import * as act from "./vm-actions.ts";
import { initialContext } from "./vm-context.ts";
import * as why from "./vm-reasons.ts";
import { vmSetup } from "./vm-setup.ts";

/** In ready and idle alike: whoever asks is answered as soon as the guest can serve. */
const served = {
	"run.requested": { actions: [act.addRequest, act.boundWait, act.answerWaiting] },
	"start.requested": { actions: [act.addRequest, act.boundWait, act.answerWaiting] },
	"attach.requested": { actions: [act.addRequest, act.boundWait, act.answerWaiting] },
	"guest.hello": { guard: "isThisBoot", actions: [act.noteGuest, act.noteReady, act.answerWaiting] },
	"guest.heartbeat": { guard: and(["isThisBoot", "isLinked"]), actions: [act.noteGuest, act.answerWaiting] },
	"guest.disconnected": { guard: "isThisBoot", actions: act.noteDisconnect },
	"heartbeat.missed": { guard: "isThisBoot", actions: act.noteSilence },
	"request.overdue": { actions: act.refuseOverdue },
	"vmm.exited": [
		/** Powered off from within while somebody waits: they are served by the next boot. */
		{
			guard: and(["isThisBoot", "endedInOrder", "hasWaiting"]),
			target: "#vm.booting",
			actions: [why.poweredOffReason, act.refuseAttachments, act.forgetGuest],
		},
		{
			guard: and(["isThisBoot", "endedInOrder"]),
			target: "#vm.stopped",
			actions: [why.poweredOffReason, act.refuseWaiting, act.forgetGuest],
		},
		{ guard: "isThisBoot", target: "#vm.failed", actions: [why.exitReason, act.refuseWaiting, act.forgetGuest] },
	],
	"stop.requested": [
		{ guard: "isForced", target: "#vm.shutdown.killing", actions: [why.stopReason, act.refuseStopped] },
		{ target: "#vm.shutdown", actions: [why.stopReason, act.refuseStopped] },
	],
} as const;

export const vmMachine = vmSetup.createMachine({
	id: "vm",
	context: ({ input }) => initialContext(input),
	initial: "deciding",
	on: {
		"attach.requested": { actions: act.refuseAttach },
		"request.withdrawn": { actions: act.dropRequest },
		"ticket.granted": { actions: act.noteGrant },
		"ticket.expired": { guard: "isThisBoot", actions: act.expireTicket },
	},
	states: {
		/** Is there a vmm that an earlier broker left? */
		deciding: {
			always: [
				{ guard: "wasReady", target: "ready" },
				{ guard: "wasBooting", target: "booting.waiting" },
				{ target: "stopped" },
			],
		},
		stopped: {
			entry: act.enter,
			on: {
				"run.requested": { target: "booting", actions: act.addRequest },
				"start.requested": { target: "booting", actions: act.addRequest },
			},
		},
		/** A vmm runs, or is about to; its guest has not said hello. */
		booting: {
			entry: act.enter,
			initial: "launching",
			after: { silentKernel: { guard: "kernelIsSilent", actions: [why.noteSilentKernel, "killVmm"] } },
			states: {
				launching: { entry: [act.beginBoot, "launchVmm"], always: "waiting" },
				relaunching: { entry: [act.forgetGuest, act.beginRetry, "launchVmm"], always: "waiting" },
				/** The deadline is counted here, once the boot has noted its beginning; a retry gets what is left. */
				waiting: {
					after: {
						bootDeadline: [
							{
								guard: "isDisposable",
								target: "#vm.shutdown.killing",
								actions: [why.bootTimeoutReason, act.refuseWaiting],
							},
							{ target: "#vm.failed", actions: [why.bootTimeoutReason, act.refuseWaiting] },
						],
					},
				},
			},
			on: {
				"run.requested": { actions: act.addRequest },
				"start.requested": { actions: act.addRequest },
				"request.withdrawn": [
					{
						guard: "isLastOfDisposable",
						target: "shutdown.terminating",
						actions: [act.dropRequest, why.abandonedReason],
					},
					{ actions: act.dropRequest },
				],
				"boot.progressed": { guard: "isThisBoot", actions: act.notePhase },
				"guest.hello": { guard: "isThisBoot", target: "ready", actions: [act.noteGuest, act.noteReady] },
				"vmm.exited": [
					{ guard: and(["isThisBoot", "mayRetry"]), target: ".relaunching" },
					{
						guard: and(["isThisBoot", "endedInOrder"]),
						target: "failed",
						actions: [why.bootPowerOffReason, act.refuseWaiting, act.forgetGuest],
					},
					{
						guard: "isThisBoot",
						target: "failed",
						actions: [why.exitReason, act.refuseWaiting, act.forgetGuest],
					},
				],
				"stop.requested": [
					{
						guard: "isForced",
						target: "shutdown.killing",
						actions: [why.stopReason, act.refuseStopped],
					},
					{ target: "shutdown.terminating", actions: [why.stopReason, act.refuseStopped] },
				],
			},
		},
		/** Serves; something holds it, or its guest is not heard, which counts as busy. */
		ready: {
			entry: [act.enter, act.expectGuest, act.answerWaiting],
			always: { guard: "isUnused", target: "idle" },
			on: served,
		},
		/** Serves; nothing holds it since `idleSince`. */
		idle: {
			entry: [act.noteIdle, act.armIdle],
			exit: act.disarmIdle,
			always: { guard: not("isUnused"), target: "ready" },
			on: {
				...served,
				"start.requested": { actions: [...served["start.requested"].actions, act.noteUse] },
				"idle.elapsed": [
					{ guard: and(["isThisBoot", "idleIsOver"]), target: "shutdown", actions: why.idleReason },
					{ guard: "isThisBoot", actions: act.armIdle },
				],
			},
		},
		/** Ends, each step harsher and bounded. Who asks now waits, and is served by the next boot. */
		shutdown: {
			entry: act.enter,
			initial: "asking",
			states: {
				asking: {
					always: { guard: not("isLinked"), target: "relinking" },
					entry: "askPoweroff",
					/** What was asked may have been lost with the connection; asking again does not put off askBound. */
					on: { "guest.hello": { guard: "isThisBoot", actions: "askPoweroff" } },
					after: { askBound: "terminating" },
				},
				/** The agent dials again at once after a loss; SIGTERM would be a power cut to its guest. */
				relinking: {
					on: { "guest.hello": { guard: "isThisBoot", target: "asking", actions: act.noteGuest } },
					after: { relinkBound: "terminating" },
				},
				terminating: { entry: "terminateVmm", after: { terminateBound: "killing" } },
				killing: {
					entry: "killVmm",
					/** Nothing is harsher; and whoever repeats it does not put off killBound. */
					on: { "stop.requested": { actions: [why.stopReason, act.refuseStopped] } },
					after: { killBound: { target: "#vm.failed", actions: [why.stuckReason, act.refuseWaiting] } },
				},
			},
			on: {
				"run.requested": { actions: act.addRequest },
				"start.requested": { actions: act.addRequest },
				"stop.requested": [
					{ guard: "isForced", target: ".killing", actions: [why.stopReason, act.refuseStopped] },
					{ actions: [why.stopReason, act.refuseStopped] },
				],
				"vmm.exited": [
					{ guard: and(["isThisBoot", "hasWaiting"]), target: "booting", actions: act.forgetGuest },
					{ guard: "isThisBoot", target: "stopped", actions: act.forgetGuest },
				],
			},
		},
		/** Did not become ready, or ended by itself. Its vmm may still be up for a look: then a late hello heals it. */
		failed: {
			entry: act.enter,
			on: {
				"run.requested": [
					{ guard: "vmmAlive", target: "shutdown.killing", actions: act.addRequest },
					{ target: "booting", actions: act.addRequest },
				],
				"start.requested": [
					{ guard: "vmmAlive", target: "shutdown.killing", actions: act.addRequest },
					{ target: "booting", actions: act.addRequest },
				],
				"boot.progressed": { guard: "isThisBoot", actions: act.notePhase },
				"guest.hello": {
					guard: and(["isThisBoot", "vmmAlive"]),
					target: "ready",
					actions: [act.noteGuest, act.noteReady],
				},
				"vmm.exited": { guard: "isThisBoot", actions: act.forgetGuest },
				"stop.requested": [{ guard: "vmmAlive", target: "shutdown.killing" }, { target: "stopped" }],
			},
		},
	},
});
