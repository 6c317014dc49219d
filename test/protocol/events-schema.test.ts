import fc from "fast-check";
import { expect, it } from "vitest";
import { type BrokerEvent, encodeEvent, eventWordsMax, parseEvent } from "../../src/protocol/broker-events.ts";
import { vmStates } from "../../src/protocol/broker-replies.ts";
import { eventSchemas, eventsSchema, problemsOfLine } from "./events-schema.ts";
import { problemsOf } from "./json-schema.ts";

const at = fc
	.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true })
	.map((date) => date.toISOString());
const vm = fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/);
const state = fc.constantFrom(...vmStates);
const words = fc.string({ unit: "binary", maxLength: eventWordsMax });
const ms = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const facts = {
	flags: fc.uniqueArray(fc.constantFrom("preloaded", "paused", "unresponsive", "vmmAlive", "notConfigured")),
	reason: fc.option(words),
	remedy: fc.option(words),
};

type Told = Exclude<BrokerEvent["type"], "unknown">;

/** Of each type that there is: the compiler misses one that is new. */
const events: { readonly [Type in Told]: fc.Arbitrary<Omit<Extract<BrokerEvent, { type: Type }>, "at" | "type">> } = {
	broker: fc.record({ pid: fc.integer({ min: 1, max: 2 ** 22 }), vms: fc.array(vm) }),
	is: fc.record({ vm, state, ...facts }),
	state: fc.record({ vm, from: state, to: state, ...facts }),
	"stop-announced": fc.record({ vm, stopsAt: at, sentence: words }),
	"stop-averted": fc.record({ vm }),
	boot: fc.record({
		...{ vm, ms },
		phases: fc.dictionary(fc.constantFrom("vmm", "init", "root", "agent"), ms, { noNullPrototype: true }),
	}),
	"vm-added": fc.record({ vm }),
	"vm-gone": fc.record({ vm }),
};

const anyEvent: fc.Arbitrary<BrokerEvent> = fc.oneof(
	...Object.entries(events).map(([type, arbitrary]) =>
		fc.tuple(at, arbitrary as fc.Arbitrary<object>).map(([time, rest]) => ({ at: time, type, ...rest }) as BrokerEvent),
	),
);

it("the schema names every type of event, and no other", () => {
	expect([...eventSchemas.keys()].sort()).toEqual(Object.keys(events).sort());
});

it("every event is as the schema says, and has nothing that the schema does not mention", () => {
	fc.assert(
		fc.property(anyEvent, (event) => {
			expect(problemsOfLine(JSON.stringify({ schema: 1, ...event }))).toEqual([]);
			/** And so is what of it comes over the wire. */
			const parsed = parseEvent(encodeEvent(event).subarray(5));
			expect(problemsOfLine(JSON.stringify({ schema: 1, ...parsed }))).toEqual([]);
		}),
	);
});

it("every event without one of its parts, or with another kind of value there, is refused", () => {
	fc.assert(
		fc.property(anyEvent, fc.nat(), (event, number) => {
			const line: Record<string, unknown> = { schema: 1, ...event };
			const keys = Object.keys(line);
			const key = keys[number % keys.length] ?? "";
			const { [key]: _, ...without } = line;
			expect(problemsOf(without, eventsSchema)).not.toEqual([]);
			expect(problemsOf({ ...line, [key]: true }, eventsSchema)).not.toEqual([]);
		}),
	);
});

it("the states are the machine's, and the words as long as they may be", () => {
	const { vmState, words: text } = eventsSchema.$defs as Record<string, { enum?: string[]; maxLength?: number }>;
	expect(vmState?.enum).toEqual([...vmStates]);
	expect(text?.maxLength).toBe(eventWordsMax);
});

it.each([
	["no object", "[]"],
	["a schema of another number", { schema: 2, at: "2026-11-28T15:10:02.000Z", type: "stop-averted", vm: "a" }],
	["a time without its zone", { schema: 1, at: "2026-11-28T15:10:02", type: "stop-averted", vm: "a" }],
	["a type that there is not", { schema: 1, at: "2026-11-28T15:10:02.000Z", type: "stop", vm: "a" }],
	["a name that is none", { schema: 1, at: "2026-11-28T15:10:02.000Z", type: "stop-averted", vm: "../a" }],
])("the validator refuses %s", (_, value) => {
	expect(problemsOf(value, eventsSchema)).not.toEqual([]);
});

it("a keyword that the validator does not know is no silent consent", () => {
	expect(() => problemsOf({}, { minProperties: 1 })).toThrow("minProperties");
	expect(() => problemsOf({}, { $ref: "#/$defs/none" })).toThrow("nowhere");
});
