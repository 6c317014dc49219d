/**
 * One vm's life: stopped → booting → ready ⇄ idle → shutdown → stopped, and failed. Pure: it decides, and its effects
 * are the named holes of vm-setup.ts. Time comes from the actor's clock and `input.now`.
 *
 * What the transitions keep:
 * - one boot serves everybody who waits, and each request is answered exactly once;
 * - only a hello makes a vm ready; silence makes it unresponsive, which is busy, never idle;
 * - a request during shutdown is remembered, and boots the vm again when the vmm has ended;
 * - nothing but its maxLifetime, and who asks for it, stops a vm that something holds;
 * - an event of an earlier boot is dropped, and a timer looks again before it acts.
 */
import { and, not } from "xstate";
import * as act from "./vm-actions.ts";
import { booting } from "./vm-booting.ts";
import { initialContext } from "./vm-context.ts";
import { idle } from "./vm-idle.ts";
import * as ask from "./vm-requests.ts";
import { endsItsLife, looksAgain, served } from "./vm-served.ts";
import { vmSetup } from "./vm-setup.ts";
import { shutdown } from "./vm-shutdown.ts";

export const vmMachine = vmSetup.createMachine({
	id: "vm",
	context: ({ input }) => initialContext(input),
	initial: "deciding",
	on: {
		"attach.requested": { actions: ask.refuseAttach },
		"request.withdrawn": { actions: ask.dropRequest },
		"ticket.granted": { actions: ask.noteGrant },
		"ticket.expired": { guard: "isThisBoot", actions: ask.expireTicket },
		"settings.changed": { actions: act.noteSettings },
		"inhibit.requested": { actions: act.noteInhibitor },
		"inhibit.released": { actions: act.noteInhibitor },
		"windows.changed": { guard: and(["isThisBoot", "vmmAlive"]), actions: act.noteWindows },
		"dependant.came": { actions: act.noteDependant },
		"dependant.went": { actions: act.noteDependant },
	},
	states: {
		/** Is there a vmm that an earlier broker left? */
		deciding: {
			always: [
				{ guard: "wasPaused", target: "idle.resuming" },
				{ guard: "wasReady", target: "ready" },
				{ guard: "wasBooting", target: "booting.waiting" },
				{ target: "stopped" },
			],
		},
		stopped: {
			entry: [act.enter, act.forgetReboot],
			on: {
				"run.requested": [
					{ guard: "isCooling", actions: ask.refuseCooling },
					{ target: "booting", actions: ask.addRequest },
				],
				"start.requested": [
					{ guard: and(["isForOther", "isCooling"]), actions: ask.refuseCooling },
					{ target: "booting", actions: ask.addRequest },
				],
				"vmm.appeared": "booting.taking",
			},
		},
		booting,
		/** Serves; something holds it, or its guest is not heard, which counts as busy. */
		ready: {
			entry: [act.enter, act.expectGuest, ask.answerWaiting, act.armDue],
			exit: act.disarmDue,
			always: { guard: "isUnused", target: "idle" },
			on: { ...served, "stop.due": [endsItsLife, looksAgain] },
		},
		idle,
		shutdown,
		/** Did not become ready, or ended by itself. Its vmm may still be up for a look: then a late hello heals it. */
		failed: {
			entry: [act.enter, act.forgetReboot],
			on: {
				"run.requested": [
					{ guard: "isCooling", actions: ask.refuseCooling },
					{ guard: "vmmAlive", target: "shutdown.killing", actions: ask.addRequest },
					{ target: "booting", actions: ask.addRequest },
				],
				"start.requested": [
					{ guard: and(["isForOther", "isCooling"]), actions: ask.refuseCooling },
					{ guard: "vmmAlive", target: "shutdown.killing", actions: ask.addRequest },
					{ target: "booting", actions: ask.addRequest },
				],
				"vmm.appeared": { guard: not("vmmAlive"), target: "booting.taking" },
				"boot.progressed": { guard: "isThisBoot", actions: act.notePhase },
				"guest.hello": {
					guard: and(["isThisBoot", "vmmAlive"]),
					target: "ready",
					/** One that had been paused before it would not end: whoever speaks runs. */
					actions: [act.noteResumed, act.noteGuest, act.noteReady],
				},
				"vmm.exited": { guard: "isThisBoot", actions: act.forgetGuest },
				"stop.requested": [{ guard: "vmmAlive", target: "shutdown.killing" }, { target: "stopped" }],
			},
		},
	},
});
