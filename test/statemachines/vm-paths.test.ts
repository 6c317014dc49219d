/**
 * The shortest way to everything that the machine can be, found by xstate's graph in the pure transitions, then gone on
 * the real clock's stand-in: where the graph says that a timer leads on, the timer must be armed and lead there.
 */

import { expect, test } from "vitest";
import { type AnyStateNode, type SnapshotFrom, transition } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { vmMachine } from "../../src/statemachines/vm.machine.ts";
import { hasWaiting, type VmContext } from "../../src/statemachines/vm-context.ts";
import type { VmEvent } from "../../src/statemachines/vm-events.ts";
import { crash, defaultInput, type VmOptions, VmUnderTest } from "./vm-harness.ts";

type Snapshot = SnapshotFrom<typeof vmMachine>;

/** Shorter than the silence that would make it unresponsive on the way. */
const idleTimeoutMs = 10_000;

const afterEvents = nodesOf(vmMachine.root)
	.flatMap((node) => [...node.transitions.keys()])
	.filter((event) => event.startsWith("xstate.after."));
const timers = new Set<string>([...afterEvents, "stop.due", "heartbeat.missed", "ticket.expired"]);

function nodesOf(node: AnyStateNode): AnyStateNode[] {
	return [node, ...Object.values(node.states).flatMap(nodesOf)];
}

/** Everything that can happen in a state; requests are numbered by boot, so that none is asked twice. */
function eventsOf({ context }: Snapshot): VmEvent[] {
	const { boot } = context;
	const request = boot + 1;
	const nothing = { sessions: [], cgroups: [] };
	return [
		{ type: "run.requested", request, label: "firefox" },
		{ type: "start.requested", request: request + 100 },
		{ type: "attach.requested", request: request + 200, label: "attach to session 1" },
		{ type: "request.withdrawn", request },
		{ type: "stop.requested", force: false },
		{ type: "stop.requested", force: true },
		{ type: "boot.progressed", boot, phase: "init" },
		{ type: "guest.hello", wasUsed: false, boot, ...nothing },
		{ type: "guest.hello", wasUsed: false, boot, sessions: [1], cgroups: [] },
		{ type: "guest.heartbeat", boot, ...nothing },
		{ type: "guest.disconnected", boot },
		{ type: "vmm.exited", boot, failure: crash, retriable: true },
		{ type: "vmm.exited", boot, failure: null, retriable: false },
		{ type: "heartbeat.missed", boot },
		{ type: "ticket.expired", boot, request },
		{ type: "stop.due", boot },
		{ type: "vmm.paused", boot },
		{ type: "vmm.resumed", boot },
		{ type: "vmm.unpausable", boot },
		{ type: "dependencies.ready", boot },
		{ type: "dependencies.failed", boot, failure: crash },
		...afterEvents.map((type) => ({ type }) as unknown as VmEvent),
	];
}

const stepOf = ({ value }: Pick<Snapshot, "value">): string =>
	typeof value === "string" ? value : (Object.entries(value)[0] ?? []).join(".");

/** What makes two situations the same: not times, not how many boots there were. */
function situation(step: string, context: VmContext): string {
	const flags = {
		alive: context.vmmAlive,
		linked: context.linked,
		unresponsive: context.unresponsive,
		waiting: hasWaiting(context),
		held: context.leases.size > 0,
		retried: context.attempt === 2,
		used: context.used,
		kernelSpoke: context.phase !== "vmm" && context.phase !== "dependencies",
		paused: context.paused,
	};
	return [step, ...Object.entries(flags).flatMap(([name, holds]) => (holds ? [name] : []))].join(" ");
}

function pathsFor(options: VmOptions) {
	let now = 0;
	return getShortestPaths(vmMachine, {
		// Time leaps, so that the graph's stop.due is always due.
		input: { ...defaultInput, idleTimeoutMs, ...options, now: () => (now += idleTimeoutMs) },
		events: eventsOf,
		serializeState: (snapshot) => situation(stepOf(snapshot), snapshot.context),
		stopWhen: ({ context }) => context.boot > 3,
	});
}

/** All states that a vm can stay in. */
const steady = new Set(
	nodesOf(vmMachine.root)
		.filter((node) => node.type === "atomic" && !node.always?.some(({ guard }) => guard === undefined))
		.map((node) => node.path.join(".")),
);

/** Only where it is configured so. */
const pausing = [
	"idle.settling",
	"idle.settled",
	"idle.pausing",
	"idle.paused",
	"idle.resuming",
	"idle.hearing",
	"idle.listening",
	"idle.waking",
	"shutdown.waking",
];
const optional = new Set(["booting.needing", ...pausing]);

const pausingOptions: VmOptions = { idleAction: "pause", pauseTimeoutMs: idleTimeoutMs };

const beginnings: [string, VmOptions][] = [
	["a vm", {}],
	["a disposable", { disposable: true }],
	["an adopted vm that was ready", { adopted: { saidHello: true, ageMs: 0 } }],
	["an adopted vm that was booting", { adopted: { saidHello: false, ageMs: 0 } }],
	["a vm with a maxLifetime", { maxLifetimeMs: 4 * idleTimeoutMs }],
];

test.each(beginnings)("%s can come into every state, on the clock as in the graph", (_title, options) => {
	const paths = pathsFor(options);
	const wanted = new Set([...steady].filter((step) => !optional.has(step)));
	expect(new Set(paths.map(({ state }) => stepOf(state)))).toEqual(wanted);
	expect(new Set(paths.flatMap(({ steps }) => [...walk(steps, options).states]))).toEqual(wanted);
});

/** The largest graph: a busy machine takes its time. */
test("a vm that is paused when idle, and needs another vm, can come into those states, too", {
	timeout: 60_000,
}, () => {
	const options: VmOptions = { ...pausingOptions, dependsOn: ["net"] };
	const paths = pathsFor(options);
	expect(new Set(paths.map(({ state }) => stepOf(state)))).toEqual(steady);
	expect(new Set(paths.flatMap(({ steps }) => [...walk(steps, options).states]))).toEqual(steady);
});

// It kills, and waits for the exit: vm-boot.test.ts.
const effectOnly = "xstate.after.silentKernel.vm.booting.waiting";

test.each([...timers].filter((timer) => timer !== effectOnly))("%s is armed where it leads somewhere", (timer) => {
	const event = { type: timer, boot: 1, request: 1 } as unknown as VmEvent;
	const options = timer.includes(".idle.") ? pausingOptions : {};
	const paths = pathsFor(options).filter(({ state }) => state.context.boot === 1);
	const rings = paths.some(({ state, steps }) => {
		const [next] = transition(vmMachine, state, event);
		return walk([...steps, { event, state: next }], options).rung.has(timer);
	});
	expect(rings).toBe(true);
});

/** Goes a path as far as it goes: the graph rings any timer in any order, the clock has one that comes first. */
function walk(steps: ReturnType<typeof pathsFor>[number]["steps"], options: VmOptions) {
	const vm = new VmUnderTest({ idleTimeoutMs, ...options });
	const states = new Set([vm.step]);
	const rung = new Set<string>();
	for (const { event, state } of steps) {
		if (event.type.startsWith("xstate.init")) continue;
		const before = situation(vm.step, vm.context);
		const wanted = situation(stepOf(state), state.context);
		if (timers.has(event.type)) driveTo(vm, wanted);
		else vm.send(event);
		const now = situation(vm.step, vm.context);
		if (now !== wanted) break;
		states.add(vm.step);
		if (timers.has(event.type) && now !== before) rung.add(event.type);
	}
	return { states, rung };
}

/** From timer to timer until one has led there. */
function driveTo(vm: VmUnderTest, wanted: string): void {
	while (vm.clock.pending > 0 && situation(vm.step, vm.context) !== wanted) vm.clock.advanceToNext();
}
