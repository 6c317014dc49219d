/** A broker, or a vm, that stands still for a while, as a laptop's lid makes it: nothing is stopped for the gap, and nothing is lost. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;
const standstillMs = 2_500;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "busy", idleTimeout: 1 },
			{ id: 7, name: "idle", idleTimeout: 60 },
		],
	});
});

afterAll(async () => {
	expect(await user.leave(["busy", "idle"])).toEqual(nothingLeft);
});

function signalBrokers(signal: "SIGSTOP" | "SIGCONT"): void {
	user.signalBrokers(signal);
}

it("a broker that stood still longer than an idleTimeout ends no vm in use, and serves who asked meanwhile", async () => {
	const running = user.start("run-in-vm", ["busy", "sh", "-c", "sleep 6; echo done"]);
	await user.until("it runs", async () => (await user.status("busy")).sessions === 1);
	expect(await user.sh("qubes-lite start idle")).toMatchObject({ status: 0 });
	signalBrokers("SIGSTOP");
	const asked = user.run("busy", "echo", "asked meanwhile");
	await delay(standstillMs);
	signalBrokers("SIGCONT");
	expect(await asked).toMatchObject({ status: 0, stdout: "asked meanwhile\n" });
	expect(await user.stateOf("idle")).toBe("idle");
	expect(await running.done).toMatchObject({ status: 0, stdout: "done\n" });
	expect([user.starts("busy"), user.starts("idle")]).toEqual([1, 1]);
});

it("a vm that stood still is not called idle, and is well when it goes on", async () => {
	const running = user.start("run-in-vm", ["busy", "sh", "-c", "sleep 6; echo done"]);
	await user.until("it runs", async () => (await user.status("busy")).sessions === 1);
	const starts = user.starts("busy");
	const pid = user.vmmPid("busy");
	process.kill(pid, "SIGSTOP");
	try {
		await user.until("it is missed", async () => (await user.status("busy")).flags.includes("unresponsive"));
		expect(await user.stateOf("busy")).toBe("ready");
	} finally {
		process.kill(pid, "SIGCONT");
	}
	expect(await running.done).toMatchObject({ status: 0, stdout: "done\n" });
	await user.until("it has idled to its end", async () => (await user.stateOf("busy")) === "stopped");
	expect((await user.status("busy")).reason).toBe("idle for 1 s");
	expect(user.starts("busy")).toBe(starts);
});
