/** dependsOn, as people see it: what a vm waits for, and which one is to blame. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { Terminal } from "../e2e/tmux.ts";
import { FakeUser } from "./fake-user.ts";

/** `work` needs `net`, which needs `db`. */
const vms = [
	{ id: 5, name: "db" },
	{ id: 7, name: "net", dependsOn: ["db"] },
	{ id: 9, name: "work", dependsOn: ["net"] },
];
const names = vms.map(({ name }) => name);

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms });
});

afterEach(async () => {
	user.order("db", {});
	/** It is let be no longer. */
	await user.sh("qubes-lite start db");
	await user.sh(`qubes-lite stop --force ${names.join(" ")}`);
});

afterAll(async () => {
	expect(await user.leave(names)).toEqual(nothingLeft);
});

const why = async (vm: string): Promise<string> => (await user.sh(`qubes-lite why ${vm}`)).stdout;

describe("a vm that waits for another one", () => {
	it("says so, and not how far its own boot is", async () => {
		user.order("db", { hello: "never" });
		const terminal = new Terminal(user);
		terminal.type("run-in-vm work true; echo status-$?");
		await terminal.shows(/^Starting work… waiting for the vms that it depends on \d\.\d s/m);
		expect(await user.status("work")).toMatchObject({ state: "booting", phase: "dependencies" });
		const { stdout } = await user.sh("qubes-lite ls");
		expect(stdout).toMatch(/^work .* waits for net$/m);
		expect(stdout).toMatch(/^net .* waits for db$/m);
		expect(await why("work")).toMatch(
			/^boots since \d\d:\d\d, for \d+ s; waits for net\nkept by true, which waits to run/,
		);
		expect((await user.sh("qubes-lite status net")).stdout).toMatch(/^ {2}boot +waits for db$/m);
		user.order("db", {});
		await terminal.shows(/^status-0$/m);
		terminal.close();
	});

	it("was stopped where somebody stops it, for all who waited and for who asks later", async () => {
		user.order("db", { hello: "never" });
		const waiting = [user.start("run-in-vm", ["work", "true"]), user.start("qubes-lite", ["start", "work"])] as const;
		await user.until("both wait", async () => (await user.leases("work")).length === 2);
		expect((await user.sh("qubes-lite stop work")).status).toBe(0);
		const [run, start] = await Promise.all(waiting.map(({ done }) => done));
		expect(run?.stderr).toBe(
			"run-in-vm: work is not available: it was stopped by request before the command could run\n  → qubes-lite start work\n",
		);
		expect(start?.stderr).toBe(
			"qubes-lite: work is not available: it was stopped by request before it was ready\n  → qubes-lite start work\n",
		);
		expect(await why("work")).toMatch(/^stopped at \d\d:\d\d: stopped by request\n$/);
	});
});

describe("one that can't come up", () => {
	const fault = "did not become ready: its vmm ended with status 3: no such disk";

	it("is named to all who need it, in one sentence, and they are not let be for its failures", async () => {
		user.order("db", { console: "Kernel panic\n", exitAtBoot: { words: "no such disk\n", status: 3 } });
		for (let time = 0; time < 3; time++) {
			const { status, stderr } = await user.run("work", "true");
			expect(status).toBe(125);
			expect(stderr).toBe(
				`run-in-vm: work is not available: db, which it depends on through net, ${fault}\n  → qubes-lite logs db\n`,
			);
		}
		expect(await why("net")).toMatch(/^failed at \d\d:\d\d: db, which it depends on, did not become ready: its vmm /);
		const { stderr } = await user.run("net", "true");
		expect(stderr).toMatch(
			/^run-in-vm: net is not available: db, which it depends on, did not become ready: it has failed to boot 3 times in a row \(the last time: its vmm ended with status 3: no such disk\), and is let be for another \d+ s\n {2}→ qubes-lite start db {3}# tries at once\n$/,
		);
		user.order("db", {});
		expect((await user.sh("qubes-lite start db")).status).toBe(0);
		expect((await user.run("work", "true")).status).toBe(0);
	});

	it("is named to who runs something in a vm that has lost it, too", async () => {
		expect((await user.sh("qubes-lite start work")).status).toBe(0);
		user.order("db", { exitAtBoot: { words: "no such disk\n", status: 3 } });
		process.kill(user.vmmPid("db"), "SIGKILL");
		await user.until("it is gone", async () => (await user.stateOf("db")) === "failed");
		const { stderr } = await user.run("net", "true");
		expect(stderr).toBe(`run-in-vm: net is not available: db, which it depends on, ${fault}\n  → qubes-lite logs db\n`);
	});
});

it("one that was booted for another and has no idleTimeout stays up, and says why", async () => {
	expect((await user.sh("qubes-lite start work && qubes-lite stop work net")).status).toBe(0);
	expect(await why("db")).toMatch(
		/^idle since \d\d:\d\d; kept by nothing, but its idleTimeout is 0: it is never stopped for idleness\n$/,
	);
});
