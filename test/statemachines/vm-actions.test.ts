/** What the machine never does, since its transitions give each action the right event: the actions hold without it. */

import { expect, test } from "vitest";
import { createActor } from "xstate";
import { withLease } from "../../src/statemachines/leases.ts";
import * as act from "../../src/statemachines/vm-actions.ts";
import { initialContext, type VmContext } from "../../src/statemachines/vm-context.ts";
import type { VmAnswer } from "../../src/statemachines/vm-events.ts";
import * as why from "../../src/statemachines/vm-reasons.ts";
import * as ask from "../../src/statemachines/vm-requests.ts";
import { vmSetup } from "../../src/statemachines/vm-setup.ts";
import { defaultInput } from "./vm-harness.ts";

const waiting = { kind: "request", id: 1, label: "firefox", since: 0, wants: "session" } as const;

/** The context and the answers after `actions` have met an event that is none of theirs. */
function after(actions: readonly Parameters<typeof machineOf>[0][number][], facts: Partial<VmContext> = {}) {
	const actor = createActor(machineOf(actions, facts), { input: { ...defaultInput, now: () => 0 } });
	const answers: VmAnswer[] = [];
	actor.on("request.answered", (answer) => answers.push(answer));
	actor.start();
	const before = actor.getSnapshot().context;
	actor.send({ type: "heartbeat.missed", boot: 0 });
	const snapshot = actor.getSnapshot();
	expect(snapshot.error).toBeUndefined();
	return { before, context: snapshot.context, answers };
}

type Action =
	| (typeof act)["noteGuest" | "notePhase" | "noteSettings" | "noteWindows"]
	| (typeof ask)["addRequest" | "noteGrant" | "refuseWaiting"];

function machineOf(actions: readonly Action[], facts: Partial<VmContext>) {
	return vmSetup.createMachine({
		context: ({ input }) => ({ ...initialContext(input), leases: withLease(new Map(), waiting), ...facts }),
		on: { "*": { actions: [...actions] } },
	});
}

test("an action that reads its event changes nothing when it meets another one", () => {
	const { before, context, answers } = after([
		ask.addRequest,
		ask.dropRequest,
		act.noteSettings,
		act.noteWindows,
		act.notePhase,
		ask.noteGrant,
		ask.expireTicket,
		ask.boundWait,
		ask.refuseOverdue,
		ask.refuseAttach,
		ask.refuseStopped,
		ask.refuseCooling,
		act.noteGuest,
		act.noteInhibitor,
		act.noteDependant,
		why.dependencyReason,
		why.exitReason,
	]);
	expect(context).toEqual(before);
	expect(answers).toEqual([]);
});

test("a refusal without a reason says that, and is ours to answer for", () => {
	const { answers, context } = after([ask.refuseWaiting]);
	expect(answers).toEqual([
		{ type: "request.answered", request: 1, refusal: { code: "Internal", sentence: "it ended without a reason" } },
	]);
	expect(context.leases.size).toBe(0);
});

test("a reason for an idle stop that has no limit is still a sentence", () => {
	expect(after([why.idleReason], { idleTimeoutMs: 0 }).context.reason?.sentence).toBe("idle for 0 ms");
});

test("the first reason wins", () => {
	const { context } = after([why.stopReason, why.idleReason, why.poweredOffReason]);
	expect(context.reason).toEqual({ code: "Stopped", sentence: "stopped by request" });
});
