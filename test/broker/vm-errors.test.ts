import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { GuestRefusals } from "../../src/broker/guest-refusals.ts";
import { endedError, exitFailure, failedBootRemedy, refusedError } from "../../src/broker/vm-errors.ts";
import { createVm } from "../vmm/facts.ts";

const timeout = { code: "BootTimeout", sentence: "no hello within 60 s; reached agent" } as const;
const hostMemoryMiB = 8192;
const nothing = { console: [], refusal: null, hostMemoryMiB, isEmulated: () => false };
const instance = createVm({ id: 1000, name: "disp-1a2b", disposable: true, instanceOf: { name: "disp", id: 15 } });
const versions = "the agent in shopping speaks version 1 of the protocol, which is too old: we need 2 or newer";

describe("a boot that timed out although an agent was refused", () => {
	test("says so, and that an image of another version must be built anew", () => {
		const remains = { ...nothing, console: ["login:"], refusal: { code: "Unsupported", why: versions } as const };
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

	test("of our version has no other remedy than a look", () => {
		const remains = { ...nothing, refusal: { code: "BadRequest", why: "its hello names\x1b another vm" } as const };
		expect(refusedError(createVm(), timeout, remains)).toMatchObject({
			message: expect.stringMatching(/\nan agent in it was refused: its hello names\uFFFD another vm$/),
			remedy: "qubes-lite logs --console shopping",
		});
	});

	test("keeps the remedy of a reason that has one", () => {
		const remains = { ...nothing, refusal: { code: "Unsupported", why: versions } as const };
		const failed = { code: "BootFailed", sentence: "there is no kernel", remedy: "ls" } as const;
		expect(refusedError(createVm(), failed, remains).remedy).toBe("ls");
	});
});

test("a boot that failed with more memory than the host has says so", () => {
	const failed = { code: "BootFailed", sentence: "its vmm ended with status 1" } as const;
	expect(refusedError(createVm({ memoryMiB: 65_536 }), failed, nothing)).toMatchObject({
		message: expect.stringMatching(/\nit has 65536 MiB of memory, more than the host's 8192 MiB$/),
		remedy: 'give shopping less "memory" in the configuration',
	});
	expect(refusedError(createVm(), failed, nothing).message).not.toContain("memory");
});

describe("after a boot that failed for a reason without a remedy", () => {
	const disposable = createVm({ name: "disp", disposable: true });
	const slow = 'a larger "bootTimeout" may help: without KVM all is slow';
	const exited = { code: "BootFailed", sentence: "its vmm ended with status 1" } as const;
	const poweredOff = { code: "BootFailed", sentence: "the guest powered off while booting; reached init" } as const;
	const refused = "could not configure /dev/net/tun (ql-shopping): Operation not permitted";
	const foreign = { code: "BootFailed", sentence: `its vmm ended with status 1: qemu: ${refused}` } as const;
	const stopped = { code: "Stopped", sentence: "stopped by request" } as const;

	test.each([
		["the console is looked at", createVm(), timeout, false, "qubes-lite logs --console shopping"],
		[
			"more time may help an emulated guest",
			createVm(),
			timeout,
			true,
			`qubes-lite logs --console shopping   # ${slow}`,
		],
		["a vmm is asked by its log", createVm(), exited, true, "qubes-lite logs shopping"],
		["a guest is asked by its console", createVm(), poweredOff, true, "qubes-lite logs --console shopping"],
		["nothing is left of a disposable", disposable, timeout, false, undefined],
		["nothing is left of a disposable's vmm", disposable, exited, false, undefined],
		["more time may help a disposable", disposable, timeout, true, slow],
		["a TAP of another's is made anew", createVm(), foreign, true, "qubes-lite host tap --print shopping | sudo sh"],
		["who was stopped needs none", createVm(), stopped, true, undefined],
	] as const)("%s", (_, vm, reason, isEmulated, remedy) => {
		expect(failedBootRemedy(vm, reason, () => isEmulated)).toBe(remedy);
	});
});

test("a vm that is let be after its failures says what failed last, with the console of that, and how to try at once", () => {
	const sentence =
		"it has failed to boot 3 times in a row (the last time: no hello within 1 min; reached kernel), and …";
	const refusal = { code: "BootFailed", sentence, remedy: "qubes-lite start shopping   # tries at once" } as const;
	expect(refusedError(createVm(), refusal, { ...nothing, console: ["panic"] }).toFacts()).toEqual({
		code: "BootFailed",
		message: `shopping did not become ready: ${sentence}\nits console's last lines:\n  | panic`,
		remedy: refusal.remedy,
	});
});

test("who asks for a vm that was stopped hears nothing of boots", () => {
	const remains = { ...nothing, console: ["login:"], refusal: { code: "Unsupported", why: versions } as const };
	expect(refusedError(createVm(), { code: "Stopped", sentence: "stopped by request" }, remains).toFacts()).toEqual({
		code: "NotRunning",
		message: "shopping is not available: stopped by request",
		remedy: "qubes-lite status shopping",
	});
});

test("a vmm that has used too much memory is told by that, not by the signal that ended it", () => {
	const cause = "used more memory than it may (MemoryMax of its unit, or the host's)";
	const exit = { code: null, signal: "SIGKILL", lostHelper: null, cause, log: "" };
	expect(exitFailure(exit, "qemu")).toEqual({ code: "BootFailed", sentence: cause });
	expect(endedError(createVm(), exitFailure(exit, "qemu"), "running").message).toBe(
		`shopping ended while the command ran: ${cause}`,
	);
});

test("nobody is sent to ask about an instance that will be gone", () => {
	expect(refusedError(instance, timeout, nothing).remedy).toBe("qubes-lite ls");
	expect(endedError(instance, null, "running")).toMatchObject({
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
