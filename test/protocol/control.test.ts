import { expect, test } from "vitest";
import {
	controlFrame,
	encodeExpect,
	encodeHeartbeat,
	encodeHello,
	fromAgentLimits,
	parseExpect,
	parseHeartbeat,
	parseHello,
	parsePoweroff,
	parseResumed,
	parseSessionNumber,
	parseSessions,
	parseWelcome,
	toAgentLimits,
} from "../../src/protocol/control.ts";
import { frameHeaderBytes } from "../../src/protocol/frame.ts";
import { endedKeptMax, sessionsMax, ticketLifeMs } from "../../src/protocol/limits.ts";

const payload = (value: object): Buffer => Buffer.from(JSON.stringify(value));
const badRequest = (message: string) => expect.objectContaining({ code: "BadRequest", message });

const hello = {
	version: 3,
	oldest: 2,
	nonce: "00".repeat(16),
	vm: "shopping",
	phases: [],
	sessions: [],
	cgroups: [],
	lastSession: 0,
};
const beat = { seq: 1, sessions: [], cgroups: [], memory: { totalKiB: 1, availableKiB: 1 } };

test("each direction of the control connection has its own frames", () => {
	const types = [...fromAgentLimits.keys(), ...toAgentLimits.keys()];
	expect(types.sort()).toEqual(Object.values(controlFrame).sort());
	expect(new Set(types).size).toBe(types.length);
});

test.each([
	["a nonce too short", { nonce: "00".repeat(15) }, "the hello message needs nonce: 32 hex digits"],
	["a nonce of capitals", { nonce: "AB".repeat(16) }, "the hello message needs nonce: 32 hex digits"],
	["version 0", { version: 0 }, "the hello message needs version: a whole number from 1 to 65535"],
	["an oldest version of 0", { oldest: 0 }, "the hello message needs oldest: a whole number from 1 to 3"],
	["an oldest version that is newer", { oldest: 4 }, "the hello message needs oldest: a whole number from 1 to 3"],
	["a name too long", { vm: "x".repeat(65) }, "the hello message needs vm: a string of at most 64 characters"],
	[
		"nine phases",
		{ phases: Array(9).fill({ name: "init", uptimeMs: 0 }) },
		"the hello message needs phases: a list of at most 8 items",
	],
	[
		"a phase before time",
		{ phases: [{ name: "init", uptimeMs: -1 }] },
		"the hello.phases message needs uptimeMs: a whole number from 0 to 31622400000",
	],
	["a phase that is null", { phases: [null] }, "the hello.phases message is not a JSON object"],
	[
		"more sessions than a vm can have",
		{ sessions: Array(sessionsMax + 1).fill(1) },
		"the hello message needs sessions: a list of at most 1024 items",
	],
	["a session 0", { sessions: [0] }, "the hello message needs sessions: ids from 1 up"],
])("a hello with %s is refused, by name", (_what, facts, message) => {
	expect(() => parseHello(payload({ ...hello, ...facts }))).toThrow(badRequest(message));
});

test.each([
	["number 0", { seq: 0 }, /needs seq: a whole number from 1/],
	["a fraction as its number", { seq: 1.5 }, /needs seq/],
	[
		"more processes than a vm can have",
		{ cgroups: Array(sessionsMax + 1).fill(1) },
		/needs cgroups: a list of at most/,
	],
	["a negative memory", { memory: { totalKiB: -1, availableKiB: 0 } }, /heartbeat.memory message needs totalKiB/],
	["2 PiB of memory", { memory: { totalKiB: 2 ** 41, availableKiB: 0 } }, /heartbeat.memory message needs totalKiB/],
])("a heartbeat with %s is refused, by name", (_what, facts, message) => {
	expect(() => parseHeartbeat(payload({ ...beat, ...facts }))).toThrow(message);
});

test("a hello and a heartbeat carry what later versions add, and we leave it", () => {
	expect(parseHello(payload({ ...hello, mood: "fine" }))).toEqual(hello);
	expect(parseHeartbeat(payload({ ...beat, memory: { ...beat.memory, swapKiB: 3 } }))).toEqual(beat);
});

test("a ticket lives no longer than the host says for all", () => {
	const expected = { session: 1, ticketHash: "00".repeat(32), execHash: "11".repeat(32), lifeMs: ticketLifeMs };
	expect(parseExpect(encodeExpect(expected).subarray(frameHeaderBytes))).toEqual(expected);
	for (const lifeMs of [0, ticketLifeMs + 1]) {
		expect(() => parseExpect(payload({ ...expected, lifeMs }))).toThrow(/needs lifeMs: a whole number from 1 to 10000/);
	}
	expect(() => parseExpect(payload({ ...expected, execHash: "11" }))).toThrow(/needs execHash: 64 hex digits/);
});

test("numbers out of range are refused with the message's name", () => {
	expect(() => parseWelcome(payload({ version: 65_536 }))).toThrow(
		badRequest("the welcome message needs version: a whole number from 1 to 65535"),
	);
	expect(() => parseSessionNumber("clientGone", payload({ session: 0 }))).toThrow(
		/the clientGone message needs session/,
	);
	expect(() => parsePoweroff(payload({ graceMs: 3_600_001 }))).toThrow(/the poweroff message needs graceMs/);
});

test.each([
	["before 2020", { wallMs: Date.UTC(2020) - 1 }, /needs wallMs: a whole number from 1577836800000 to 4102444800000/],
	["after 2100", { wallMs: Date.UTC(2100) + 1 }, /needs wallMs/],
	["between two milliseconds", { wallMs: Date.UTC(2026) + 0.5 }, /needs wallMs/],
	["with too little chance", { entropy: "00".repeat(31) }, /the resumed message needs entropy: 64 hex digits/],
	["with more chance than asked for", { entropy: "00".repeat(33) }, /needs entropy/],
	["without chance", { entropy: undefined }, /needs entropy/],
])("a vm does not resume %s", (_what, facts, message) => {
	const resumed = { wallMs: Date.UTC(2026), entropy: "0f".repeat(32) };
	expect(parseResumed(payload(resumed))).toEqual(resumed);
	expect(() => parseResumed(payload({ ...resumed, ...facts }))).toThrow(message);
});

test("an agent with as many sessions as it may have can say hello again, and be heard", () => {
	const sessions = Array.from({ length: sessionsMax }, (_, index) => 1_000_000 + index);
	const size = (frame: Buffer): number => frame.length - frameHeaderBytes;
	const again = encodeHello({ ...hello, sessions, cgroups: sessions });
	expect(size(again)).toBeLessThanOrEqual(fromAgentLimits.get(controlFrame.hello) ?? 0);
	const busy = encodeHeartbeat({ ...beat, sessions, cgroups: sessions });
	expect(size(busy)).toBeLessThanOrEqual(fromAgentLimits.get(controlFrame.heartbeat) ?? 0);
});

test("a hello that does not say its oldest version speaks just the one", () => {
	const { oldest: _, ...terse } = hello;
	expect(parseHello(payload(terse))).toEqual({ ...hello, oldest: 3 });
	expect(parseWelcome(payload({ version: 7 }))).toEqual({ version: 7, oldest: 7 });
});

const session = {
	session: 1,
	command: "firefox",
	user: "user",
	ageMs: 0,
	isTerminal: false,
	isDetached: false,
	hasClient: true,
	end: null,
	leftProcesses: false,
};

test.each([
	["a session 0", { session: 0 }, "the sessions message needs session: a whole number from 1 to 9007199254740991"],
	["a novel for a command", { command: "x".repeat(65) }, /needs command: a string of at most 64 characters/],
	["an age before its birth", { ageMs: -1 }, /needs ageMs/],
	["an end that is nothing", { end: {} }, "the sessions.end message needs signal: a string of at most 16 characters"],
	["an end with a code of 256", { end: { code: 256 } }, "the sessions.end message needs code: a whole number from 0"],
	["an end that is left out", { end: undefined }, "the sessions.end message is not a JSON object"],
])("a list of sessions with %s is refused, by name", (_what, facts, message) => {
	expect(() => parseSessions(payload({ sessions: [{ ...session, ...facts }] }))).toThrow(message);
});

test("a list of more sessions than a vm can have is refused", () => {
	const sessions = Array(sessionsMax + endedKeptMax + 1).fill(session);
	expect(() => parseSessions(payload({ sessions }))).toThrow(/needs sessions: a list of at most 1056 items/);
	expect(parseSessions(payload({ sessions: sessions.slice(1) }))).toHaveLength(1056);
});
