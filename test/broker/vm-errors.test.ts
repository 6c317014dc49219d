import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { GuestRefusals } from "../../src/broker/guest-refusals.ts";
import { endedError, refusedError } from "../../src/broker/vm-errors.ts";
import { createVm } from "../vmm/facts.ts";

const timeout = { code: "BootTimeout", sentence: "no hello within 60 s; reached agent" } as const;
const nothing = { console: [], refusal: null };
const instance = createVm({ id: 1000, name: "disp-1a2b", instanceOf: { name: "disp", id: 15 } });
const versions = "the agent in shopping speaks version 1 of the protocol, which is too old: we need 2 or newer";

describe("a boot that timed out although an agent was refused", () => {
	test("says so, and that an image of another version must be built anew", () => {
		const remains = { console: ["login:"], refusal: { code: "Unsupported", why: versions } as const };
		expect(refusedError(createVm(), timeout, remains).toFacts()).toEqual({
			code: "BootTimeout",
			message: [
				"shopping did not become ready: no hello within 60 s; reached agent",
				`an agent in it was refused: ${versions}`,
				"its console's last lines:",
				"  | login:",
			].join("\n"),
			remedy: "qubes-lite image build",
		});
	});

	test("of our version has no other remedy than before", () => {
		const remains = { ...nothing, refusal: { code: "BadRequest", why: "its hello names\x1b another vm" } as const };
		expect(refusedError(createVm(), timeout, remains)).toMatchObject({
			message: expect.stringMatching(/\nan agent in it was refused: its hello names\uFFFD another vm$/),
			remedy: "qubes-lite status shopping",
		});
	});

	test("keeps the remedy of a reason that has one", () => {
		const remains = { ...nothing, refusal: { code: "Unsupported", why: versions } as const };
		const failed = { code: "BootFailed", sentence: "there is no kernel", remedy: "ls" } as const;
		expect(refusedError(createVm(), failed, remains).remedy).toBe("ls");
	});
});

test("who asks for a vm that was stopped hears nothing of boots", () => {
	const remains = { console: ["login:"], refusal: { code: "Unsupported", why: versions } as const };
	expect(refusedError(createVm(), { code: "Stopped", sentence: "stopped by request" }, remains).toFacts()).toEqual({
		code: "NotRunning",
		message: "shopping is not available: stopped by request",
		remedy: "qubes-lite status shopping",
	});
});

test("nobody is sent to ask about an instance that will be gone", () => {
	expect(refusedError(instance, timeout, nothing).remedy).toBe("qubes-lite ls");
	expect(endedError(instance, null)).toMatchObject({
		message: "disp-1a2b ended while the command ran: stopped",
		remedy: "qubes-lite ls",
	});
});

describe("refused agents", () => {
	const lines: { event: string; why: string }[] = [];
	const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) });

	test("are logged once for each reason, and the last one is kept until the next boot", () => {
		const refusals = new GuestRefusals("shopping", log);
		for (let knock = 0; knock < 100; knock++) refusals.note({ code: "BadRequest", why: `reason ${knock % 20}` });
		expect(lines.map(({ why }) => why)).toEqual(Array.from({ length: 8 }, (_, index) => `reason ${index}`));
		expect(refusals.last).toEqual({ code: "BadRequest", why: "reason 19" });
		refusals.forget();
		expect(refusals.last).toBeNull();
	});

	test("of another version are not covered by what comes later", () => {
		const refusals = new GuestRefusals("shopping", log);
		refusals.note({ code: "Unsupported", why: versions });
		refusals.note({ code: "BadRequest", why: "it did not say hello" });
		expect(refusals.last?.why).toBe(versions);
	});
});
