/** What `events` says in JSON: what vms are at, and what happens to them. Programs may rely on them (contracts: schema 1). */
import { brokerFrame } from "./broker.ts";
import { parseFlags, type VmState, vmStates } from "./broker-replies.ts";
import { Fields, pidMax } from "./fields.ts";
import { encodeJsonFrame } from "./frame.ts";

/** What a vm is at. */
export interface VmFacts {
	/** As in its status. */
	readonly flags: readonly string[];
	readonly reason: string | null;
	readonly remedy: string | null;
}

/** All times on the wall clock, ISO 8601; `at` is when it was said. */
export type BrokerEvent = {
	readonly at: string;
} /** Comes first: who tells, and of which vms. One `is` follows for each. */ & (
	| { readonly type: "broker"; readonly pid: number; readonly vms: readonly string[] }
	| ({ readonly type: "is"; readonly vm: string; readonly state: VmState } & VmFacts)
	/** From one state to another; to the same where only its flags have changed. */
	| ({ readonly type: "state"; readonly vm: string; readonly from: VmState; readonly to: VmState } & VmFacts)
	/** It is going to be stopped by itself. */
	| { readonly type: "stop-announced"; readonly vm: string; readonly stopsAt: string; readonly sentence: string }
	/** It is not, or not then. */
	| { readonly type: "stop-averted"; readonly vm: string }
	/** How long a boot took, and when its phases began, ms since the start of its vmm. */
	| {
			readonly type: "boot";
			readonly vm: string;
			readonly ms: number;
			readonly phases: Readonly<Record<string, number>>;
	  }
	/** It is there, as an `is` behind it says, or is there no more. */
	| { readonly type: "vm-added"; readonly vm: string }
	| { readonly type: "vm-gone"; readonly vm: string }
	/** Of a newer broker. */
	| { readonly type: "unknown" }
);

/** A sentence may quote what a vmm has said; escaped as JSON it is six times as long at most, and fits its frame. */
export const eventWordsMax = 8192;
/** As many as a reply may list. */
const vmsMax = 1024;
const phasesMax = 16;

export const encodeEvent = (event: BrokerEvent): Buffer => encodeJsonFrame(brokerFrame.event, event);

const types = ["broker", "is", "state", "stop-announced", "stop-averted", "boot", "vm-added", "vm-gone"] as const;

/** Throws BadRequest. */
export function parseEvent(payload: Uint8Array): BrokerEvent {
	const fields = Fields.parse("event", payload);
	const at = timeOf(fields, "at");
	const said = fields.string("type", 32);
	const type = types.find((known) => known === said);
	if (type === undefined) return { at, type: "unknown" };
	if (type === "broker") {
		const vms = fields.list("vms", vmsMax, (name) => Fields.of("event", { name }).string("name", nameMax));
		return { at, type, pid: fields.integer("pid", 1, pidMax), vms };
	}
	const vm = fields.string("vm", nameMax);
	switch (type) {
		case "is":
			return { at, type, vm, state: fields.oneOf("state", vmStates), ...factsOf(fields) };
		case "state": {
			const [from, to] = [fields.oneOf("from", vmStates), fields.oneOf("to", vmStates)];
			return { at, type, vm, from, to, ...factsOf(fields) };
		}
		case "stop-announced":
			return { at, type, vm, stopsAt: timeOf(fields, "stopsAt"), sentence: fields.string("sentence", eventWordsMax) };
		case "boot":
			return { at, type, vm, ms: millisecondsOf(fields, "ms"), phases: phasesOf(fields.object("phases")) };
		default:
			return { at, type, vm };
	}
}

const nameMax = 64;
const timeOf = (fields: Fields, name: string): string => fields.string(name, 64);
const millisecondsOf = (fields: Fields, name: string): number => fields.integer(name, 0, Number.MAX_SAFE_INTEGER);

const factsOf = (fields: Fields): VmFacts => ({
	flags: parseFlags(fields),
	reason: fields.isNull("reason") ? null : fields.string("reason", eventWordsMax),
	remedy: fields.isNull("remedy") ? null : fields.string("remedy", eventWordsMax),
});

const phasesOf = (fields: Fields): Readonly<Record<string, number>> =>
	Object.fromEntries(
		fields
			.keys()
			.slice(0, phasesMax)
			.map((name) => [name.slice(0, nameMax), millisecondsOf(fields, name)]),
	);
