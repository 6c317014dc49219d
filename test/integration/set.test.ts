/** `qubes-lite set`: holds at once, under the next broker too, and until the vm's stop. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { isSoak } from "../rounds.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 7, name: "banking", idleTimeout: 900 },
			{ id: 9, name: "net" },
			{ id: 11, name: "work", dependsOn: ["net"] },
			{ id: 15, name: "disp", disposable: true },
		],
	});
});

afterAll(async () => {
	expect(await user.leave(["shopping", "banking", "net", "work", "disp"])).toEqual(nothingLeft);
});

it("holds at once and says so, also under the next broker, and is gone after the stop", async () => {
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	expect(await user.sh("qubes-lite set shopping idleTimeout=600 maxLifetime=7200")).toMatchObject({
		...{ status: 0, stderr: "" },
		stdout: "shopping: idleTimeout 10 min, maxLifetime 2 h until it stops\n",
	});
	const set = { idleTimeout: 600, maxLifetime: 7200 };
	expect(await user.status("shopping")).toMatchObject({ state: "idle", idleTimeout: 600, set });
	await user.endBrokers();
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

const set = { idleTimeout: 600 };
const isStopped = async (): Promise<boolean> => ["stopped", "failed"].includes(await user.stateOf("shopping"));

const ends: [string, () => unknown][] = [
	["is stopped", () => user.sh("qubes-lite stop shopping")],
	["is killed", () => user.sh("qubes-lite kill shopping")],
	["is restarted", () => user.sh("qubes-lite restart shopping")],
	["lost its vmm", () => process.kill(user.vmmPid("shopping"), "SIGKILL")],
	["had its vmm told to end", () => process.kill(user.vmmPid("shopping"), "SIGTERM")],
	["is at the end of its life", () => user.sh("qubes-lite set shopping maxLifetime=1")],
	["was idle for long enough", () => user.sh("qubes-lite set shopping idleTimeout=1")],
];
/** What the next one does not know from the first it has from files that are the same for all ends. */
const endsUnder = (broker: string) => ends.filter((_, n) => isSoak || broker === "the same broker" || n % 3 === 0);

describe.each([
	["the same broker", async () => {}],
	["the next one", () => user.endBrokers()],
])("is gone under %s, and only of the vm that ended, when that", (broker, change) => {
	it.each(endsUnder(broker))("%s", async (_, end) => {
		for (const vm of ["shopping", "banking"]) {
			expect((await user.sh(`qubes-lite start ${vm} && qubes-lite set ${vm} idleTimeout=600`)).status).toBe(0);
		}
		await change();
		const earlier = user.vmmPid("shopping");
		expect(await user.status("shopping")).toMatchObject({ set });
		await end();
		await user.until("it has ended", async () => user.vmmPid("shopping") !== earlier || (await isStopped()));
		expect(await user.status("shopping")).toMatchObject({ idleTimeout: 0, maxLifetime: 0, set: {} });
		expect(await user.status("banking")).toMatchObject({ idleTimeout: 600, set });
		expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
		expect(await user.status("shopping")).toMatchObject({ idleTimeout: 0, set: {} });
	});
});

it("is gone after an end that no broker has seen", async () => {
	await user.sh("qubes-lite start shopping && qubes-lite set shopping idleTimeout=600");
	await user.endBrokers();
	process.kill(user.vmmPid("shopping"), "SIGKILL");
	await user.until("it has ended", () => existsSync(join(user.runtime, "shopping/shim/exit")));
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	expect(await user.status("shopping")).toMatchObject({ state: "idle", idleTimeout: 0, set: {} });
	expect(await user.status("banking")).toMatchObject({ set });
	await user.sh("qubes-lite stop shopping banking");
});

/** Resolves when its first attempt is under way, and something has been set. */
async function failAttempt(vm: string): Promise<{ readonly starting: ReturnType<FakeUser["start"]> }> {
	user.order(vm, { hello: "never" });
	const starting = user.start("qubes-lite", ["start", vm]);
	await user.until("its vmm is there", async () => (await user.status(vm)).pid !== null);
	expect((await user.sh(`qubes-lite set ${vm} idleTimeout=600`)).status).toBe(0);
	return { starting };
}

it("holds in a boot that is tried again, under the next broker too, and is gone with its end", async () => {
	const { starting } = await failAttempt("shopping");
	const first = user.vmmPid("shopping");
	process.kill(first, "SIGKILL");
	await user.until("it is tried again", () => user.vmmPid("shopping") !== first);
	await user.until("its vmm is there", async () => (await user.status("shopping")).pid !== null);
	expect(await user.status("shopping")).toMatchObject({ state: "booting", set });
	await user.endBrokers();
	expect(await user.status("shopping")).toMatchObject({ state: "booting", set });
	user.order("shopping", {});
	expect((await starting.done).status).toBe(0);
	expect(await user.status("shopping")).toMatchObject({ state: "idle", set });
	await user.sh("qubes-lite stop shopping");
	expect(await user.status("shopping")).toMatchObject({ set: {} });
});

it("is gone where a boot that is tried again waits in vain for what it needs", async () => {
	const { starting } = await failAttempt("work");
	user.order("net", { exitAtBoot: { words: "no such disk\n", status: 3 } });
	process.kill(user.vmmPid("net"), "SIGKILL");
	await user.until("what it needs is gone", async () => (await user.stateOf("net")) === "failed");
	process.kill(user.vmmPid("work"), "SIGKILL");
	expect((await starting.done).status).toBe(1);
	expect(await user.status("work")).toMatchObject({ state: "failed", idleTimeout: 0, set: {} });
	user.order("net", {});
	user.order("work", {});
	expect((await user.sh("qubes-lite start work")).status).toBe(0);
	expect(await user.status("work")).toMatchObject({ state: "idle", idleTimeout: 0, set: {} });
	await user.sh("qubes-lite stop work net");
});
