import { describe, expect, test } from "vitest";
import { toCrosvmEnd } from "../../src/vmm/crosvm-end.ts";

const at = "[2026-08-21T17:42:21.123456789+00:00 INFO  crosvm::crosvm::sys::linux]";

describe("crosvm's exit status", () => {
	test.each([
		[0, { kind: "poweredOff" }],
		[32, { kind: "rebooted" }],
		[33, { kind: "failed", sentence: "crashed, or lost one of its devices" }],
		[34, { kind: "failed", sentence: "ended because its guest's kernel panicked" }],
		[36, { kind: "failed", sentence: "ended because its guest's processors stood still" }],
		[101, { kind: "failed", sentence: "ended with status 101" }],
	])("%i says how its guest has ended", (code, end) => {
		expect(toCrosvmEnd(code, null, "")).toEqual(end);
	});

	test("1 comes with what crosvm says is wrong, and what caused that", () => {
		const log = `${at} disk size 4096\n[2026-11-30T03:32:25.1+00:00 ERROR crosvm] exiting with error 1: failed to open initrd /x\n\nCaused by:\n    0: in between\n    1: No such file or directory (os error 2)\n\n`;
		expect(toCrosvmEnd(1, null, log)).toEqual({
			kind: "failed",
			sentence: "ended with status 1",
			words: "failed to open initrd /x: No such file or directory (os error 2)",
		});
	});

	test("1 has one cause without a number, or none, and perhaps a backtrace", () => {
		const error = "exiting with error 1: only one root disk can be specified";
		const words = "only one root disk can be specified";
		for (const rest of ["", "\n", "\n\nStack backtrace:\n   0: <unknown>\n   1: main\n"])
			expect(toCrosvmEnd(1, null, `${error}${rest}`)).toMatchObject({ words });
		expect(toCrosvmEnd(1, null, `${error}\n\nCaused by:\n    it is so\n`)).toMatchObject({
			words: `${words}: it is so`,
		});
		expect(toCrosvmEnd(1, null, "")).toEqual({ kind: "failed", sentence: "ended with status 1" });
	});

	test("1 for want of a sandbox says how to go without", () => {
		const log = 'exiting with error 1: failed to create jail: "/x" is not a directory, cannot create jail\n';
		expect(toCrosvmEnd(1, null, log)).toMatchObject({
			remedy: expect.stringContaining('"crosvm": {"sandbox": false}'),
		});
	});

	test("35 names the option", () => {
		const log = "[2026-11-30T03:32:25.1+00:00 ERROR crosvm] arg parsing failed: Unrecognized argument: --bogus\n\n";
		expect(toCrosvmEnd(35, null, log)).toEqual({
			kind: "failed",
			sentence: "does not understand its command line",
			words: "Unrecognized argument: --bogus",
			remedy: 'install a newer crosvm, or correct "extraArgs" in the configuration',
		});
	});
});

describe("a signal that ended crosvm", () => {
	const killsItself = `${at} not all child processes have exited; sending SIGKILL\n`;

	test.each([
		["vcpu requested shutdown", { kind: "poweredOff" }],
		["vcpu requested reset", { kind: "rebooted" }],
		["guest panic event", { kind: "failed", sentence: "ended because its guest's kernel panicked" }],
		["device crashed", { kind: "failed", sentence: "crashed, or lost one of its devices" }],
	])("was its own where it says so, after: %s", (words, end) => {
		expect(toCrosvmEnd(null, "SIGKILL", `${at} ${words}\n${killsItself}`)).toEqual(end);
	});

	test("was its own, and it had been told to stop, where it says nothing else", () => {
		expect(toCrosvmEnd(null, "SIGKILL", killsItself)).toEqual({ kind: "poweredOff" });
	});

	test("was somebody else's", () => {
		const log = `${at} vcpu requested shutdown\n`;
		expect(toCrosvmEnd(null, "SIGKILL", log)).toEqual({ kind: "failed", sentence: "was ended by SIGKILL" });
		expect(toCrosvmEnd(null, "SIGTERM", killsItself)).toEqual({ kind: "failed", sentence: "was ended by SIGTERM" });
	});

	test("is a fault of its own where it aborts", () => {
		expect(toCrosvmEnd(null, "SIGABRT", "")).toEqual({
			kind: "failed",
			sentence: "met a fault of its own and aborted",
		});
	});

	test.each([
		["clone(CLONE_NEWPID | ...) failed: No space left on device", "allow user namespaces"],
		["failed to set rlimit", "raise the hard limit of open files to 32768"],
	])("is for want of a sandbox, where its minijail says so: %s", (words, remedy) => {
		const log = `${at} disk size 4194304\ncrosvm[13551]: libminijail[13551]: ${words}\nAborted\n`;
		expect(toCrosvmEnd(null, "SIGABRT", log)).toEqual({
			kind: "failed",
			sentence: "could not make its sandbox",
			words,
			remedy: expect.stringMatching(new RegExp(`^${remedy}.*"crosvm": {"sandbox": false}`)),
		});
	});
});
