import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRingTail } from "../../src/activation/log-ring.ts";
import { ringFileBytes, vmFiles } from "../../src/launch-plan.ts";
import { createBootToken, createFakeVmHost, type FakeVmHost, until } from "../fakes/fake-vmm-host.ts";

const busybox = execFileSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).trim();

let host: FakeVmHost;
beforeEach(() => {
	host = createFakeVmHost();
});
afterEach(async () => {
	try {
		await host.assertCensus();
	} finally {
		host.remove();
	}
});

function start(vmm: readonly string[], helpers?: readonly string[], supervisor = host.supervisor) {
	return supervisor.start(host.plan(vmm, helpers), createBootToken());
}

/** Starts, waits for the end, cleans up. */
async function run(vmm: readonly string[], helpers?: readonly string[], supervisor = host.supervisor) {
	const running = await start(vmm, helpers, supervisor);
	const exit = await running.exited;
	await running.cleanUp();
	return exit;
}

describe("helpers", () => {
	it("are up before the vmm, and end with it", async () => {
		const running = await start(["complain", "vmm", "wait"], ["serve", "serve"]);
		await until("the vmm speaks", () => host.file(vmFiles.log).includes("vmm"));
		expect(host.file(vmFiles.log)).toBe("helper: serve\nhelper: serve\nvmm\n");
		await host.release();
		expect(await running.exited).toMatchObject({ code: 0, lostHelper: null });
		await running.cleanUp();
	});

	it.each([0, 1])("take the vmm with them: number %i of two", async (index) => {
		const running = await start(["wait"], ["serve", "serve"]);
		process.kill(host.pid(String(index)), "SIGUSR2");
		const log = expect.stringContaining(`helper ${index} ended with status 3`);
		expect(await running.exited).toEqual({
			code: null,
			signal: "SIGTERM",
			cause: null,
			lostHelper: `helper${index}`,
			log,
		});
		await running.cleanUp();
	});

	it("that are not vital are started again, with the same words, and end with the vmm", async () => {
		const running = await start(["wait"], ["serve", "?serve", "?serve"]);
		const served = (times: number) =>
			until("they serve", () => host.file(vmFiles.log).match(/helper: serve/g)?.length === times);
		await served(3);
		const before = ["1", "2"].map((index) => host.pid(index));
		for (const pid of before) process.kill(pid, "SIGKILL");
		await served(5);
		expect(host.file(vmFiles.log)).toContain("helper 1 ended with status 137 (node), and is started again");
		const pids = ["1", "2"].map((index) => host.pid(index));
		for (const pid of pids) expect(before).not.toContain(pid);
		await host.release();
		expect(await running.exited).toMatchObject({ code: 0, lostHelper: null });
		for (const pid of pids) await until("it is gone", () => !existsSync(`/proc/${pid}`));
		await running.cleanUp();
	});

	it("that are not vital and end again and again are let go of, and the vmm goes on without them", {
		timeout: 120_000,
	}, async () => {
		const running = await start(["wait"], ["?fail"]);
		await until("it is told", () => host.file(vmFiles.log).includes("goes on without it"), 50_000);
		expect(host.file(vmFiles.log).match(/is started again/g)).toHaveLength(9);
		await host.release();
		expect(await running.exited).toMatchObject({ code: 0, lostHelper: null });
		await running.cleanUp();
	});

	it("that are not vital and come again just when the vmm ends do not stay", async () => {
		for (let round = 0; round < 6; round++) {
			const running = await start(["wait"], ["?serve"]);
			await until("it serves", () => host.file(vmFiles.log).includes("helper: serve"));
			process.kill(host.pid("0"), "SIGKILL");
			await delay(5 * round);
			await host.release();
			expect(await running.exited).toMatchObject({ code: 0, lostHelper: null });
			// The last one whose pid was written, and the census at the test's end knows of all others.
			const helper = host.pid("0");
			await until("it is gone", () => !existsSync(`/proc/${helper}`));
			await running.cleanUp();
		}
	});

	it("that are not vital are not waited for, and end with the vmm", async () => {
		const running = await start(["say", "up", "wait"], ["?idle"]);
		await until("the console says up", () => host.file(vmFiles.console).includes("up\n"));
		await host.release();
		expect(await running.exited).toMatchObject({ code: 0, lostHelper: null });
		await running.cleanUp();
	});

	it("take the vmm with them also where one that is not vital ends meanwhile", async () => {
		const running = await start(["wait"], ["serve", "?fail"]);
		await until("it is told", () => host.file(vmFiles.log).includes("is started again"));
		process.kill(host.pid("0"), "SIGUSR2");
		expect(await running.exited).toMatchObject({ signal: "SIGTERM", lostHelper: "helper0" });
		await running.cleanUp();
	});

	it("take a stubborn vmm with them, too", async () => {
		const running = await start(["stubborn", "say", "up", "wait"], ["serve"]);
		await until("the console says up", () => host.file(vmFiles.console).includes("up\n"));
		process.kill(host.pid("0"), "SIGKILL");
		expect(await running.exited).toMatchObject({ signal: "SIGKILL", lostHelper: "helper0" });
		await running.cleanUp();
	});

	it("that end before they are up keep the vmm from starting", async () => {
		const log = expect.stringContaining("ended before it made");
		expect(await run(["exit", "0"], ["serve", "fail"])).toEqual({
			code: null,
			signal: null,
			lostHelper: "helper1",
			cause: null,
			log,
		});
	});

	it("are waited for 5 seconds", async () => {
		const log = expect.stringContaining("took longer than 5000 ms to make");
		expect(await run(["exit", "0"], ["idle"])).toEqual({
			code: null,
			signal: null,
			cause: null,
			lostHelper: "helper0",
			log,
		});
	});
});

describe("the console's log", () => {
	it("is there as soon as it is written, byte by byte, and its end is kept", async () => {
		const running = await start(["trickle", "3000", "wait"]);
		await until("all of it", () => host.file(vmFiles.console).length === 3000);
		running.kill();
		await running.cleanUp();
	});

	it("of a guest that floods it stays within its cap, and its end is kept", async () => {
		const running = await start(["flood", String(20 * 1024 * 1024), "exit", "0"]);
		expect(await running.exited).toMatchObject({ code: 0 });
		const sizes = ["", ".1", ".2"].map(
			(suffix) => readFileSync(join(host.directory(), vmFiles.console + suffix)).length,
		);
		expect(Math.max(...sizes)).toBeLessThanOrEqual(ringFileBytes);
		const tail = (await readRingTail(host.directory(), vmFiles.console, ringFileBytes)).toString();
		expect(tail).toHaveLength(ringFileBytes);
		const first = Number.parseInt(tail, 10);
		const lines = Array.from(
			{ length: ringFileBytes / 64 },
			(_, index) => `${String(first + index).padEnd(63, ".")}\n`,
		);
		expect(tail === lines.join("") && first + lines.length === (20 * 1024 * 1024) / 64).toBe(true);
		await running.cleanUp();
	});
});

describe("the console's input", () => {
	it("is typed on it, and ends for nobody who leaves", async () => {
		const running = await start(["hear", "hear", "exit", "0"], ["serve"]);
		expect(readlinkSync(`/proc/${host.pid("0")}/fd/0`)).toBe("/dev/null");
		for (const word of ["one\n", "two\n"]) {
			appendFileSync(join(host.directory(), vmFiles.consoleInput), word);
			await until("it is heard", () => host.file(vmFiles.console).endsWith(word));
		}
		expect(await running.exited).toMatchObject({ code: 0 });
		expect(host.file(vmFiles.console)).toBe("one\ntwo\n");
		await running.cleanUp();
	});
});

describe("another shell does the same", () => {
	it.each(["bash --posix", "busybox sh"])("such as %s", async (shell) => {
		const [file = "", ...args] = shell.split(" ");
		const supervisor = host.createSupervisor({ shell: [file, ...args] });
		const exit = await run(["flood", "3000000", "complain", "so long", "exit", "9"], ["serve"], supervisor);
		expect(exit).toEqual({ code: 9, signal: null, cause: null, lostHelper: null, log: "helper: serve\nso long\n" });
		const running = await start(["hear", "exit", "0"], [], supervisor);
		appendFileSync(join(host.directory(), vmFiles.consoleInput), "typed\n");
		await running.exited;
		expect(host.file(vmFiles.console)).toBe("typed\n");
		await running.cleanUp();
		expect(await run(["kill-group"], ["serve"], supervisor)).toMatchObject({ signal: "SIGKILL", lostHelper: null });
	});

	it("with busybox's own programs, too", async () => {
		const programs = join(host.runtimeDirectory, "programs");
		mkdirSync(programs);
		for (const name of ["dd", "mkfifo", "mv", "rm", "setsid", "sleep", "wc"]) {
			symlinkSync(busybox, join(programs, name));
		}
		const environment = { ...host.environment, PATH: programs };
		const supervisor = host.createSupervisor({ shell: [busybox, "sh"], environment });
		const running = await start(["flood", "3000000", "wait", "die", "SIGABRT"], ["serve"], supervisor);
		await host.release();
		expect(await running.exited).toMatchObject({ signal: "SIGABRT", log: "helper: serve\n" });
		expect(host.file(vmFiles.console).length).toBeLessThanOrEqual(ringFileBytes);
		await running.cleanUp();
		rmSync(programs, { recursive: true });
	});
});
