/**
 * The transition table of a machine, as Markdown. A row is: in this state, on this event, if this guard holds, go there.
 * Several rows of one event are tried in their order; "—" stays. Transitions of a state hold in its steps, too.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from "xstate";

interface Choice {
	readonly guard: string;
	readonly target: string;
}

export function renderStateTable(machine: AnyStateMachine): string {
	const rows = ["| state | event | guard | target |", "|---|---|---|---|"];
	for (const node of nodesOf(machine.root)) {
		let state = nameOf(node);
		for (const { events, choices } of eventsOf(node)) {
			let event = events.join(", ");
			for (const { guard, target } of choices) {
				rows.push(`| ${state} | ${event} | ${guard} | ${target} |`);
				state = "";
				event = "";
			}
		}
	}
	return rows.join("\n").replaceAll(/ {2,}/g, " ");
}

const nodesOf = (node: AnyStateNode): AnyStateNode[] => [node, ...Object.values(node.states).flatMap(nodesOf)];

const nameOf = (node: AnyStateNode): string => (node.path.length === 0 ? "(any)" : node.path.join("."));

/** Events with the very same choices share their rows. */
function eventsOf(node: AnyStateNode): { events: string[]; choices: Choice[] }[] {
	const groups = new Map<string, { events: string[]; choices: Choice[] }>();
	const add = (event: string, transitions: readonly AnyTransitionDefinition[]): void => {
		const choices = transitions.map(toChoice);
		const key = JSON.stringify(choices);
		const group = groups.get(key) ?? { events: [], choices };
		group.events.push(event);
		groups.set(key, group);
	};
	if (node.type === "compound") add("(begin)", [node.initial]);
	if (node.always !== undefined) add("(always)", node.always);
	for (const [event, transitions] of node.transitions) add(toEventName(event), transitions);
	return [...groups.values()];
}

/** "xstate.after.askBound.vm.shutdown.asking" is "after askBound". */
const toEventName = (event: string): string => event.replace(/^xstate\.after\.([^.]+)\..*$/, "after $1");

function toChoice(transition: AnyTransitionDefinition): Choice {
	const target = transition.target?.map(nameOf).join(", ") ?? "—";
	return { guard: transition.guard === undefined ? "" : toGuardName(transition.guard), target };
}

/** Guards are names, or `and`, `or` and `not` of them. */
function toGuardName(guard: unknown): string {
	if (typeof guard === "string") return guard;
	if (typeof guard !== "function" || !("guards" in guard) || !Array.isArray(guard.guards)) {
		throw new Error("a guard without a name can't be shown in the state table: name it in vm-setup.ts");
	}
	const names = guard.guards.map(toGuardName);
	return guard.name === "not" ? `not ${names.join()}` : names.join(` ${guard.name} `);
}
