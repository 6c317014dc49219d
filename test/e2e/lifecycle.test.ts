/** What becomes of a real guest by itself: it is paused, resumed, kept ready, needed by another, and ended although its agent hangs. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VmStatus } from "../../src/protocol/broker-replies.ts";
import { isSoak, rounds } from "../rounds.ts";
import { nothingLeft, signalProcess, TestUser } from "./harness.ts";

let user: TestUser;

const disp = { id: 15, name: "disp", memory: 256, disposable: true };
const vms = [
	{ id: 5, name: "shopping", memory: 256, idleTimeout: 1, idleAction: "pause" },
	{ id: 13, name: "spare", memory: 256, idleTimeout: 1, idleAction: "pause" },
	{ id: 7, name: "net", memory: 256, idleTimeout: 1 },
	{ id: 9, name: "work", memory: 256, idleTimeout: 1, dependsOn: ["net"] },
	{ id: 11, name: "hung", memory: 256, shutdown: { ask: 1, powerButton: 30, terminate: 1, kill: 1 } },
	disp,
];

beforeAll(() => {
	user = new TestUser({ vms });
});

afterAll(async () => {
	expect(await user.leave(["shopping", "spare", "net", "work", "hung"])).toEqual(nothingLeft);
});

const isPaused = async (vm: string): Promise<boolean> => (await user.status(vm)).flags.includes("paused");

describe("a vm that is paused when idle", () => {
	it("keeps what it has in memory, has the host's time when it goes on, and is resumed by a run", async () => {
		expect(await user.sh("qubes-lite start spare")).toMatchObject({ status: 0 });
		expect(await user.run("shopping", "sh", "-c", "echo kept >/tmp/file")).toMatchObject({ status: 0 });
		await user.until("it is paused", () => isPaused("shopping"));
		const [pid] = user.vmmPids();
		await new Promise((resolve) => setTimeout(resolve, 3_000));
		const { status, stdout } = await user.run("shopping", "sh", "-c", "cat /tmp/file; date +%s");
		const [kept, seconds] = stdout.split("\n");
		expect({ status, kept }).toEqual({ status: 0, kept: "kept" });
		expect(Math.abs(Date.now() / 1000 - Number(seconds))).toBeLessThan(30);
		expect(user.vmmPids()).toContain(pid);
	});

	it("powers off in good order when it is stopped", async () => {
		await user.until("it is paused", () => isPaused("spare"));
		expect(await user.sh("qubes-lite stop spare")).toMatchObject({ status: 0 });
		expect((await user.sh("qubes-lite logs --console spare")).stdout).toContain("reboot: Power down");
	});

	/** The first is in the contract, too (qemu-contract.test.ts), the second is had with a fake vmm (test/integration/adopted-state.test.ts). */
	const left: [string, () => void][] = [
		["", () => {}],
		[", and had no room to mark so,", () => rmSync(join(user.runtime, "shopping/paused"))],
	];

	it.each(isSoak ? left : [])(
		"that a broker has left by kill -9%s serves the next one, if need be by another boot",
		async (_, change) => {
			await user.until("it is paused", () => isPaused("shopping"));
			user.signalBrokers("SIGKILL");
			change();
			const { status, stdout, ms } = await user.run("shopping", "echo", "served");
			expect({ status, stdout }).toEqual({ status: 0, stdout: "served\n" });
			/** Nobody resumes it, and whoever asks waits for as long as a boot may take. */
			expect(ms).toBeLessThan(55_000);
		},
	);
});

describe("an instance that is kept ready", () => {
	const members = async (): Promise<VmStatus[]> => JSON.parse((await user.sh("qubes-lite ls --all --json")).stdout).vms;
	const ready = async () =>
		(await members()).filter(({ flags }) => flags.includes("preloaded") && flags.includes("paused"));

	beforeAll(() => user.configure([...vms.slice(0, -1), { ...disp, preload: 1 }]));
	afterAll(async () => {
		user.configure(vms);
		await user.until("none is kept any more", async () => (await members()).length === vms.length);
	});

	it("is hidden, is claimed by a run with its name, and another one takes its place", async () => {
		await user.until("one is ready", async () => (await ready()).length === 1, 120_000);
		const [member] = await ready();
		expect((await user.sh("qubes-lite ls")).stdout).not.toContain(member?.name);
		expect(await user.run("--disposable", "hostname")).toMatchObject({ status: 0, stdout: `${member?.name}\n` });
		await user.until("it is gone", async () => !(await members()).some(({ name }) => name === member?.name));
		await user.until("there is another", async () => (await ready()).length === 1, 120_000);
	});

	it("whose guest says nothing when it is resumed loses its run to one that is booted beside it", async () => {
		await user.until("one is ready", async () => (await ready()).length === 1, 120_000);
		const [member] = await ready();
		const isItsHelper = (words: string): boolean =>
			/^\S*vhost-device-vsock /.test(words) && words.includes(`/${member?.name}/`);
		for (const { pid, words } of user.processes()) if (isItsHelper(words)) signalProcess(pid, "SIGSTOP");
		const { status, stdout } = await user.run("--disposable", "hostname");
		expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^disp-[0-9a-f]{4}\n$/) });
		expect(stdout).not.toBe(`${member?.name}\n`);
		await user.until("it is gone", async () => !(await members()).some(({ name }) => name === member?.name));
	});
});

describe("a vm that needs another one", () => {
	it("boots it first, keeps it, and lets it go", async () => {
		expect(await user.run("work", "true")).toMatchObject({ status: 0 });
		expect(await user.leases("net")).toEqual(["work, a vm that depends on it"]);
		await user.until("both have stopped", async () => (await user.status("net")).state === "stopped");
		expect(await user.status("work")).toMatchObject({ state: "stopped", reason: "idle for 1 s" });
	});
});

describe("a vm that is about to be stopped for its idleness", () => {
	const count = rounds(2, 20);

	it(`serves who comes then, ${count} times, each once`, { timeout: 900_000 }, async () => {
		for (let round = 0; round < count; round++) {
			const { status, stdout, stderr } = await user.run("net", "echo", String(round));
			expect({ round, status, stdout, stderr }).toEqual({ round, status: 0, stdout: `${round}\n`, stderr: "" });
			// From 50 ms before to 200 ms after its idleTimeout; the client itself takes some 50 ms until it asks.
			await new Promise((resolve) => setTimeout(resolve, 900 + (250 * round) / count));
		}
	});
});

describe("a stop of a guest whose agent hangs", () => {
	it("presses its power button, and the guest ends in good order", async () => {
		expect(await user.sh("qubes-lite start hung")).toMatchObject({ status: 0 });
		const running = user.start("run-in-vm", ["-u", "root", "hung", "sh", "-c", "kill -STOP $(pidof node)"]);
		await user.until("its agent hangs", async () => (await user.status("hung")).flags.includes("unresponsive"));
		expect(await user.sh("qubes-lite stop hung")).toMatchObject({ status: 0 });
		expect((await user.sh("qubes-lite logs --console hung")).stdout).toMatch(
			/power button was pressed[\s\S]*reboot: Power down/,
		);
		expect(await user.status("hung")).toMatchObject({ state: "stopped", reason: "stopped by request" });
		expect(await running.done).toMatchObject({ status: 125 });
	});
});
