import { describe, expect, test } from "vitest";
import {
	brokerFrame,
	encodeRequest,
	fromBrokerLimits,
	parseGranted,
	parseProgress,
	parseReady,
	parseRefused,
	parseRequest,
	toBrokerLimits,
} from "../../src/protocol/broker.ts";
import { parseSessionList, parseStatusList, sessionsListedMax } from "../../src/protocol/broker-replies.ts";
import { frameHeaderBytes } from "../../src/protocol/frame.ts";
import { ourVersions } from "../../src/protocol/version.ts";

const { version, oldest } = ourVersions;
const methods =
	"method: one of run, attach, hold, sessions, broker, list, status, console, start, stop, set, inhibit, events";
const run = { version, method: "run", vm: "a", disposable: false, start: true, timeoutMs: 0, pid: 1 };
const attach = { version, method: "attach", vm: "a", boot: "9f3c", timeoutMs: 0, pid: 1 };
const hold = { version, method: "hold", vm: "a", boot: "9f3c", session: 3, pid: 1 };

const inhibit = { version, method: "inhibit", vm: "a", label: "rsync", pid: 1 };

const payload = (value: object): Buffer => Buffer.from(JSON.stringify(value));
const badRequest = (message: string) => expect.objectContaining({ code: "BadRequest", message });

test("each direction of the broker's socket has its own frames", () => {
	const types = [...toBrokerLimits.keys(), ...fromBrokerLimits.keys()];
	expect(types.sort()).toEqual(Object.values(brokerFrame).sort());
	expect(new Set(types).size).toBe(types.length);
});

describe("a request", () => {
	test.each([
		["no version", { method: "list" }, "version: a whole number from 1 to 65535"],
		["version 0", { version: 0, method: "list" }, "version: a whole number from 1 to 65535"],
		["an unknown method", { version, method: "rm" }, methods],
		["no method", { version }, methods],
		["a method of Object", { version, method: "constructor" }, methods],
		["no vm", { version, method: "start" }, "vm: a string of at most 4096 characters"],
		["a vm that is a list", { version, method: "stop", vm: ["a"], force: true }, "vm: a string of at most 4096"],
		["a stop that may be forced", { version, method: "stop", vm: "a", force: 1 }, "force: true or false"],
		["a run that may start", { ...run, start: "yes" }, "start: true or false"],
		["a run that may be disposable", { ...run, disposable: null }, "disposable: true or false"],
		["a negative timeout", { ...run, timeoutMs: -1 }, "timeoutMs: a whole number from 0 to 86400000"],
		["a timeout of more than a day", { ...run, timeoutMs: 86_400_001 }, "timeoutMs: a whole number from 0 to 86400000"],
		["process 0 for a client", { ...run, pid: 0 }, "pid: a whole number from 1 to 2147483647"],
		["a process group for a client", { ...attach, pid: -7 }, "pid: a whole number from 1 to 2147483647"],
		["a boot of five digits", { ...attach, boot: "9f3c0" }, "boot: 4 hex digits"],
		["no boot", { ...attach, boot: undefined }, "boot: 4 hex digits"],
		["a hold of any boot", { ...hold, boot: null }, "boot: 4 hex digits"],
		["a hold of no session", { ...hold, session: 0 }, "session: a whole number from 1 to 9007199254740991"],
		["an inhibitor of a long name", { ...inhibit, label: "x".repeat(65) }, "label: a string of at most 64 characters"],
		["an inhibitor of no process", { ...inhibit, pid: 0 }, "pid: a whole number from 1 to 2147483647"],
		["the sessions of nobody knows what", { version, method: "sessions" }, "vm: a string of at most 4096"],
	])("with %s is refused, by name", (_what, value, needs) => {
		expect(() => parseRequest(payload(value))).toThrow(`the request message needs ${needs}`);
	});

	test("keeps a vm's name as it is: that it is none is said by whoever knows the names", () => {
		for (const vm of ["", "../x", "-rf", "a;b", "$(x)", "%n", "a\nb", "a\0b", "ѕhopping", "x".repeat(300)]) {
			expect(parseRequest(payload({ version, method: "status", vm }))).toEqual({ method: "status", vm });
		}
	});

	test("holds nothing that its method does not ask for", () => {
		expect(parseRequest(payload({ version, method: "list", vm: 3, force: "x" }))).toEqual({ method: "list" });
	});

	test("sets words and whole numbers, and not without end", () => {
		const set = (settings: unknown) => () => parseRequest(payload({ version, method: "set", vm: "a", settings }));
		for (const bad of [[], null, { a: "" }, { a: null }, { a: 1.5 }, { a: -1 }, { a: "x".repeat(65) }]) {
			expect(set(bad), JSON.stringify(bad)).toThrow(expect.objectContaining({ code: "BadRequest" }));
		}
		const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 1]));
		expect(set(many(17))).toThrow(badRequest("settings may have at most 16 keys of 64 characters"));
		expect(set({ [`k${"y".repeat(64)}`]: 1 })).toThrow(/at most 16 keys/);
		expect(set(many(16))()).toEqual({ method: "set", vm: "a", settings: many(16) });
	});

	test("says which versions its client speaks", () => {
		const sent = JSON.parse(encodeRequest({ method: "list" }).subarray(frameHeaderBytes).toString());
		expect(sent).toEqual({ ...ourVersions, method: "list" });
	});

	test("of a newer client that still speaks our version is served", () => {
		expect(parseRequest(payload({ version: version + 9, oldest: version, method: "list" }))).toEqual({
			method: "list",
		});
	});

	test.each([
		[
			"too old",
			{ version: oldest - 1 },
			`this client speaks version ${oldest - 1} of the protocol, which is too old: we need ${oldest} or newer`,
		],
		[
			"too new",
			{ version: version + 1 },
			`this client needs version ${version + 1} of the protocol or newer, and we speak ${version}`,
		],
	])("of a client that is %s is refused before its method is looked at", (_what, versions, message) => {
		expect(() => parseRequest(payload({ ...versions, method: "later" }))).toThrow(
			expect.objectContaining({ code: "Unsupported", message }),
		);
	});
});

describe("an answer", () => {
	test("with a ticket has a whole one", () => {
		for (const ticket of ["", "00", "00".repeat(31), "00".repeat(33), "0G".repeat(32)]) {
			expect(() => parseGranted(payload({ ticket, session: 1 }))).toThrow(
				badRequest("the granted message needs ticket: 64 hex digits"),
			);
		}
	});

	test("about progress has a phase and a time", () => {
		expect(() => parseProgress(payload({ phase: "vmm", elapsedMs: -1 }))).toThrow(/needs elapsedMs/);
		expect(() => parseProgress(payload({ phase: "x".repeat(65), elapsedMs: 1 }))).toThrow(/needs phase/);
	});

	test("with the way to a vm names its boot", () => {
		for (const boot of ["", "9f3", "9F3C", "9f3c0", null]) {
			expect(() => parseReady(payload({ vm: "a", boot, vsock: "/x" }))).toThrow(
				badRequest("the ready message needs boot: 4 hex digits"),
			);
		}
	});

	test("that refuses may have no remedy, but not one that is null", () => {
		expect(parseRefused(payload({ code: "Denied", message: "no" }))).toEqual({
			code: "Denied",
			message: "no",
			remedy: undefined,
		});
		expect(() => parseRefused(payload({ code: "Denied", message: "no", remedy: null }))).toThrow(/needs remedy/);
	});

	test("that lists vms names the field of the one that is wrong", () => {
		expect(() => parseStatusList({ vms: [{ name: 5 }] })).toThrow(
			badRequest("the status message needs name: a string of at most 64 characters"),
		);
		expect(() => parseStatusList({ vms: Array(1_025).fill({}) })).toThrow(/needs vms: a list of at most 1024 items/);
		expect(() => parseStatusList({ vms: [[]] })).toThrow(/the status message is not a JSON object/);
	});

	test("that lists sessions has as many as it may, and a client that is known, unknown or none", () => {
		const facts = {
			command: "sh",
			commandLine: "sh -c 'sleep 1'",
			user: "user",
			age: 1,
			tty: false,
			detached: false,
			state: "running",
			processes: null,
		};
		const session = (client: unknown) => ({ id: "a.1.9f3c", vm: "a", session: 1, ...facts, client });
		for (const client of [null, 0, 4711]) {
			expect(parseSessionList({ sessions: [session(client)] })).toEqual([session(client)]);
		}
		for (const client of [-1, undefined, "4711"]) {
			expect(() => parseSessionList({ sessions: [session(client)] })).toThrow(
				badRequest("the sessions message needs client: a whole number from 0 to 2147483647"),
			);
		}
		expect(() => parseSessionList({ sessions: Array(sessionsListedMax + 1).fill(session(null)) })).toThrow(
			/the sessions reply message needs sessions: a list of at most 8192 items/,
		);
	});
});
