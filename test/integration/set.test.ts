/** `qubes-lite set`: holds at once, under the next broker too, and until the vm's stop. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 15, name: "disp", disposable: true },
		],
	});
});

afterAll(async () => {
	expect(await user.leave(["shopping", "disp"])).toEqual(nothingLeft);
});

async function killBroker(): Promise<void> {
	for (const pid of user.brokerPids()) process.kill(pid, "SIGKILL");
	await user.until("that broker is gone", () => user.brokerPids().length === 0);
}

it("holds at once and says so, also under the next broker, and is gone after the stop", async () => {
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	expect(await user.sh("qubes-lite set shopping idleTimeout=600 maxLifetime=7200")).toMatchObject({
		...{ status: 0, stderr: "" },
		stdout: "shopping: idleTimeout 10 min, maxLifetime 2 h until it stops\n",
	});
	const set = { idleTimeout: 600, maxLifetime: 7200 };
	expect(await user.status("shopping")).toMatchObject({ state: "idle", idleTimeout: 600, set });
	await killBroker();
	expect(await user.status("shopping")).toMatchObject({ idleTimeout: 600, set });
	expect((await user.sh("qubes-lite status shopping")).stdout).toMatch(
		/^ {2}idle +stops after 10 min \(set until its stop\)\n {2}life +2 h at most, whatever runs in it\n {2}set +maxLifetime 2 h until its stop\n/m,
	);
	const { stdout } = await user.sh("qubes-lite set --json shopping idleTimeout=1");
	expect(JSON.parse(stdout)).toMatchObject({ schema: 1, vm: { idleTimeout: 1, set: { ...set, idleTimeout: 1 } } });
	await user.until("it has stopped by idleness", async () => (await user.stateOf("shopping")) === "stopped");
	expect(await user.status("shopping")).toMatchObject({ idleTimeout: 0, set: {}, reason: "idle for 1 s" });
});

it("is refused in one sentence where it makes no sense", async () => {
	expect(await user.sh("qubes-lite set shopping idleTimeout=600")).toMatchObject({
		...{ status: 1, stdout: "" },
		stderr:
			"qubes-lite: shopping is not running, so there is nothing to set until its stop\n  → qubes-lite start shopping\n",
	});
	expect(await user.sh("qubes-lite set shoping idleTimeout=600")).toMatchObject({ status: 1, stdout: "" });
	for (const [words, stderr] of [
		["shopping", "qubes-lite: set what? KEY=VALUE\n"],
		["shopping idleTimout=1", "qubes-lite: 'idleTimout' is nothing that can be set; did you mean 'idleTimeout'?\n"],
		["shopping idleTimeout=1 idleTimeout=2", "qubes-lite: idleTimeout is given twice\n"],
	] as const) {
		const outcome = await user.sh(`qubes-lite set ${words}`);
		expect(outcome).toMatchObject({ status: 2, stdout: "" });
		expect(outcome.stderr).toContain(stderr);
	}
	expect((await user.sh("qubes-lite start disp")).status).toBe(0);
	for (const word of ["idleAction=pause", "idleTimeout=60", "pauseTimeout=60"]) {
		const { status, stderr } = await user.sh(`qubes-lite set disp ${word}`);
		expect(status).toBe(1);
		expect(stderr).toMatch(/^qubes-lite: \w+ means nothing for disp: a disposable is shut down when /);
	}
});
