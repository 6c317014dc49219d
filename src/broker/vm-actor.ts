/**
 * The actor of one vm's machine, with the machine's holes filled. A machine weighs more than all that a vm at rest needs beside
 * it: there is one for all of them, and whose effects are meant is known by the actor.
 */
import { type Actor, type AnyActorRef, createActor } from "xstate";
import { vmMachine } from "../statemachines/vm.machine.ts";
import type { VmContext, VmInput } from "../statemachines/vm-context.ts";
import type { Clock } from "./clock.ts";

/** What each of them does is said in vm-setup.ts. */
export interface VmEffects {
	awaitDependencies(context: VmContext): void;
	launchVmm(context: VmContext): void;
	takeVmm(context: VmContext): void;
	askPoweroff(context: VmContext): void;
	pressPowerButton(context: VmContext): void;
	pauseVmm(context: VmContext): void;
	resumeVmm(context: VmContext): void;
	countSilence(context: VmContext): void;
	ignoreSilence(context: VmContext): void;
	terminateVmm(context: VmContext): void;
	killVmm(context: VmContext): void;
	releaseVmm(context: VmContext): void;
	endBoot(context: VmContext): void;
}

const effectsOf = new WeakMap<AnyActorRef, VmEffects>();

type Fill = (args: { self: AnyActorRef; context: VmContext }) => void;
const fill =
	(name: keyof VmEffects): Fill =>
	({ self, context }) =>
		effectsOf.get(self)?.[name](context);

const machine = vmMachine.provide({
	actions: {
		awaitDependencies: fill("awaitDependencies"),
		launchVmm: fill("launchVmm"),
		takeVmm: fill("takeVmm"),
		askPoweroff: fill("askPoweroff"),
		pressPowerButton: fill("pressPowerButton"),
		pauseVmm: fill("pauseVmm"),
		resumeVmm: fill("resumeVmm"),
		countSilence: fill("countSilence"),
		ignoreSilence: fill("ignoreSilence"),
		terminateVmm: fill("terminateVmm"),
		killVmm: fill("killVmm"),
		releaseVmm: fill("releaseVmm"),
		endBoot: fill("endBoot"),
	},
});

export type VmActor = Actor<typeof machine>;

/** Not started yet. */
export function createVmActor(effects: VmEffects, clock: Clock, input: VmInput): VmActor {
	const actor = createActor(machine, { clock, input });
	effectsOf.set(actor, effects);
	return actor;
}
