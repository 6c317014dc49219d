import { describe, expect, test } from "vitest";
import {
	brokerFrame,
	fromBrokerLimits,
	parseGranted,
	parseProgress,
	parseRefused,
	parseRequest,
	parseStatusList,
	toBrokerLimits,
} from "../../src/protocol/broker.ts";

const payload = (value: object): Buffer => Buffer.from(JSON.stringify(value));
const badRequest = (message: string) => expect.objectContaining({ code: "BadRequest", message });

test("each direction of the broker's socket has its own frames", () => {
	const types = [...toBrokerLimits.keys(), ...fromBrokerLimits.keys()];
	expect(types.sort()).toEqual(Object.values(brokerFrame).sort());
	expect(new Set(types).size).toBe(types.length);
});

describe("a request", () => {
	test.each([
		["another version", { version: 2, method: "list" }, "version: a whole number from 1 to 1"],
		["no version", { method: "list" }, "version: a whole number from 1 to 1"],
		["an unknown method", { version: 1, method: "rm" }, "method: one of run, list, status, start, stop"],
		["no method", { version: 1 }, "method: one of run, list, status, start, stop"],
		["a method of Object", { version: 1, method: "constructor" }, "method: one of run, list, status, start, stop"],
		["no vm", { version: 1, method: "start" }, "vm: a string of at most 4096 characters"],
		["a vm that is a list", { version: 1, method: "stop", vm: ["a"], force: true }, "vm: a string of at most 4096"],
		["a stop that may be forced", { version: 1, method: "stop", vm: "a", force: 1 }, "force: true or false"],
		[
			"a run that may start",
			{ version: 1, method: "run", vm: "a", start: "yes", timeoutMs: 0 },
			"start: true or false",
		],
		[
			"a negative timeout",
			{ version: 1, method: "run", vm: "a", start: true, timeoutMs: -1 },
			"timeoutMs: a whole number from 0 to 86400000",
		],
		[
			"a timeout of more than a day",
			{ version: 1, method: "run", vm: "a", start: true, timeoutMs: 86_400_001 },
			"timeoutMs: a whole number from 0 to 86400000",
		],
	])("with %s is refused, by name", (_what, value, needs) => {
		expect(() => parseRequest(payload(value))).toThrow(`the request message needs ${needs}`);
	});

	test("keeps a vm's name as it is: that it is none is said by whoever knows the names", () => {
		for (const vm of ["", "../x", "-rf", "a;b", "$(x)", "%n", "a\nb", "a\0b", "ѕhopping", "x".repeat(300)]) {
			expect(parseRequest(payload({ version: 1, method: "status", vm }))).toEqual({ method: "status", vm });
		}
	});

	test("holds nothing that its method does not ask for", () => {
		expect(parseRequest(payload({ version: 1, method: "list", vm: 3, force: "x" }))).toEqual({ method: "list" });
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
});
