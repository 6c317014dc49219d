import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	bootVariable,
	findBootProcesses,
	identifyProcess,
	isAlive,
	parseProcessStat,
	signalProcess,
} from "../../src/activation/process-identity.ts";
import { until } from "../fakes/fake-vmm-host.ts";

describe("a line of /proc/PID/stat", () => {
	const rest = "S 1 2 3 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 1 0 207634 1000 200 18446744073709551615";

	it.each(["sh", "a b", "a) S 9 (b", "(((", "", "two\nlines", ") R 1 1 1 1 1 1"])(
		"is read around the name '%s'",
		(name) => {
			expect(parseProcessStat(`77 (${name}) ${rest}\n`)).toEqual({ pid: 77, state: "S", startTime: 207634 });
		},
	);

	it.each(["", "77", "77 (sh)", "77 (sh) S 1 2", `x (sh) ${rest}`])("that isn't one is refused: '%s'", (line) => {
		expect(parseProcessStat(line)).toBe(undefined);
	});

	it("is what the kernel writes", () => {
		expect(parseProcessStat(readFileSync("/proc/self/stat", "utf8"))).toMatchObject({ pid: process.pid });
	});
});

describe("a process", () => {
	const token = "0123456789abcdef";
	let child: ReturnType<typeof spawn>;
	beforeAll(() => {
		child = spawn("sleep", ["1000"], { env: { ...process.env, [bootVariable]: token } });
	});
	afterAll(() => {
		child.kill("SIGKILL");
	});

	it("is the one with its pid and start time", () => {
		const identity = identifyProcess(child.pid ?? 0);
		expect(identity).toBeDefined();
		if (identity === undefined) return;
		expect(isAlive(identity)).toBe(true);
		expect(isAlive({ ...identity, startTime: identity.startTime - 1 })).toBe(false);
	});

	it("that only has the pid is not signalled", () => {
		signalProcess({ pid: process.pid, startTime: 1 }, "SIGKILL");
		expect(identifyProcess(process.pid)).toBeDefined();
	});

	it("is found by the token in its environment, whole, and never ourselves", async () => {
		expect(findBootProcesses(token)).toEqual([child.pid]);
		expect(findBootProcesses(token.slice(0, -1))).toEqual([]);
		expect(findBootProcesses(token.slice(1))).toEqual([]);
	});

	it("that is only a zombie is gone", async () => {
		// A parent that never waits for its child, once it is no shell any more.
		const parent = spawn("sh", ["-c", "sleep 1000 & echo $!; exec sleep 1000"]);
		const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (data) => resolve(Number(data))));
		await until("exec", () => readFileSync(`/proc/${parent.pid}/comm`, "utf8") === "sleep\n");
		process.kill(pid, "SIGKILL");
		await until("zombie", () => parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"))?.state === "Z");
		expect(identifyProcess(pid)).toBe(undefined);
		parent.kill("SIGKILL");
	});
});
