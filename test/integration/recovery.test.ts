/** Brokers, vmms and clients that are killed at any moment: nothing is lost, doubled or left behind. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callBroker, monotonicMs } from "../../src/cli/broker-client.ts";
import { encodeReply, encodeRequest } from "../../src/protocol/broker.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { rounds } from "../rounds.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping", bootTimeout: 20 },
			{ id: 7, name: "banking", bootTimeout: 20 },
			{ id: 15, name: "disp", disposable: true, bootTimeout: 20 },
		],
		env: { QUBES_LITE_BROKER_IDLE_MS: "2000" },
	});
});

afterAll(async () => {
	expect(await user.leave(["shopping", "banking", "disp"])).toEqual(nothingLeft);
});

function killBroker(signal: NodeJS.Signals = "SIGKILL"): void {
	user.signalBrokers(signal);
}

async function stopAll(): Promise<void> {
	user.order("shopping", {});
	expect((await user.sh("qubes-lite stop --force shopping banking disp")).status).toBe(0);
}

/** Killed, or asked to leave: neither may end what runs. */
const ends = [
	["killed", "SIGKILL"],
	["told to leave", "SIGTERM"],
] as const;

it.each(ends)(
	"gives a run that waits for a boot its result although the broker is %s, with one vmm",
	async (_, signal) => {
		for (const vm of ["shopping", "disp"]) {
			user.order(vm, { helloDelayMs: 800 });
			const starts = user.starts(vm);
			const running = user.start("run-in-vm", [vm, "echo", "here"]);
			await user.until("the vmm runs", () => user.starts(vm) === starts + 1);
			killBroker(signal);
			expect(await running.done).toMatchObject({ status: 0, stdout: "here\n", stderr: "" });
			expect(user.starts(vm)).toBe(starts + 1);
		}
		user.order("disp", {});
		await stopAll();
	},
);

it.each(ends)("lets a session go on when the broker is %s, and counts it as a lease again", async (_, signal) => {
	const running = user.start("run-in-vm", ["shopping", "sh", "-c", "echo up; read line; echo $line; exit 3"]);
	await user.until("the session is there", async () => (await user.status("shopping")).sessions === 1);
	const pid = user.vmmPid("shopping");
	await user.endBrokers(signal);
	const listed = JSON.parse((await user.sh("qubes-lite ls --json")).stdout);
	expect(listed.vms[0]).toMatchObject({ name: "shopping", state: "ready" });
	await user.until("it is a lease again", async () => (await user.status("shopping")).sessions === 1);
	expect(user.vmmPid("shopping")).toBe(pid);
	running.stdin.end("typed later\n");
	expect(await running.done).toMatchObject({ status: 3, stdout: "up\ntyped later\n" });
	await user.until("it is idle", async () => (await user.stateOf("shopping")) === "idle");
	await stopAll();
});

/** The shorter ones end while it is being looked whether they do. */
it.each([900, 1_500, 3_000])(
	"ends a shutdown of %s ms that was under way when the broker was killed, and boots anew for who asks",
	async (powerOffDelayMs) => {
		user.order("shopping", { powerOffDelayMs });
		expect((await user.run("shopping", "true")).status).toBe(0);
		const stop = user.start("qubes-lite", ["stop", "shopping"]);
		await user.until("it shuts down", async () => ["shutdown", "stopped"].includes(await user.stateOf("shopping")));
		/** It would ask the next broker for the same, maybe after one of the runs has, and so refuse that. */
		stop.kill("SIGKILL");
		await stop.done;
		killBroker();
		/** Each of them learns from the guest that it is going down; none may refuse another that waits. */
		const runs = await Promise.all(["1", "2", "3"].map((word) => user.run("shopping", "echo", word)));
		expect(runs.map(({ status, stdout, stderr }) => `${status} ${stdout}${stderr}`)).toEqual([
			"0 1\n",
			"0 2\n",
			"0 3\n",
		]);
		await stopAll();
	},
);

it("lets who asked after a stop wait for the next boot, although the new broker hears of the stop last", async () => {
	expect((await user.run("shopping", "true")).status).toBe(0);
	const starts = user.starts("shopping");
	user.order("shopping", { hello: "never" });
	killBroker();
	const earlier = user.start("run-in-vm", ["shopping", "true"]);
	await user.until("it waits", async () => (await user.leases("shopping")).length === 1);
	const askedAt = monotonicMs();
	const later = user.start("run-in-vm", ["shopping", "echo", "later"]);
	await user.until("both wait", async () => (await user.leases("shopping")).length === 2);
	await callBroker(user.env, encodeRequest({ method: "stop", vm: "shopping", force: true, askedAt }));
	user.order("shopping", {});
	expect(await earlier.done).toMatchObject({ status: 125, stderr: expect.stringContaining("stopped by request") });
	expect(await later.done).toMatchObject({ status: 0, stdout: "later\n" });
	await callBroker(user.env, encodeRequest({ method: "stop", vm: "shopping", force: true, askedAt }));
	expect(await user.run("shopping", "echo", "same boot")).toMatchObject({ status: 0, stdout: "same boot\n" });
	expect(user.starts("shopping")).toBe(starts + 1);
	await stopAll();
});

it("retries a boot whose vmm is killed, once, and says why after the second time", async () => {
	user.order("shopping", { hello: "never" }, {});
	const starts = user.starts("shopping");
	const lucky = user.start("run-in-vm", ["shopping", "echo", "second try"]);
	await user.until("the vmm runs", () => user.starts("shopping") === starts + 1);
	process.kill(user.vmmPid("shopping"), "SIGKILL");
	expect(await lucky.done).toMatchObject({ status: 0, stdout: "second try\n" });
	expect(user.starts("shopping")).toBe(starts + 2);
	await stopAll();

	user.order("shopping", { hello: "never" });
	const unlucky = user.start("run-in-vm", ["shopping", "true"]);
	for (const start of [starts + 3, starts + 4]) {
		await user.until("the vmm runs", () => user.starts("shopping") === start);
		process.kill(user.vmmPid("shopping"), "SIGKILL");
	}
	const killedAt = performance.now();
	const { status, stderr } = await unlucky.done;
	/** Not by its bootTimeout. */
	expect(performance.now() - killedAt).toBeLessThan(10_000);
	expect(status).toBe(125);
	expect(stderr).toMatch(/^run-in-vm: shopping did not become ready: its vmm was ended by SIGKILL\n/);

	user.order("shopping", { exitAtBoot: { words: "qemu: no such disk", status: 1 } });
	const outcome = await user.run("shopping", "true");
	expect(outcome.status).toBe(125);
	expect(outcome.stderr).toContain("shopping did not become ready: its vmm ended with status 1: qemu: no such disk");
	expect((await user.status("shopping")).state).toBe("failed");
	user.order("shopping", {});
	expect((await user.run("shopping", "true")).status).toBe(0);
	await stopAll();
});

it("tells a session that its vmm was killed, with status 125, and boots again for the next", async () => {
	const running = user.start("run-in-vm", ["shopping", "sh", "-c", "echo up; sleep 1000"]);
	await user.until("the command speaks", async () => running.stdout() === "up\n");
	process.kill(user.vmmPid("shopping"), "SIGKILL");
	const outcome = await running.done;
	expect(outcome).toMatchObject({ status: 125, stdout: "up\n" });
	expect(outcome.stderr).toContain("shopping ended while the command ran: its vmm was ended by SIGKILL");
	expect(await user.run("shopping", "echo", "back")).toMatchObject({ status: 0, stdout: "back\n" });
	await stopAll();
});

it("leaves nothing of a disposable whose client is killed while it boots", async () => {
	user.order("disp", { hello: "never" });
	const running = user.start("run-in-vm", ["disp", "true"]);
	await user.until("it boots", async () => (await user.stateOf("disp")) === "booting");
	running.kill("SIGKILL");
	await running.done;
	user.order("disp", {});
	await user.until("it has stopped", async () => (await user.stateOf("disp")) === "stopped");
});

it("boots another vm while one hangs in its boot", async () => {
	user.order("shopping", { hello: "never" });
	const hanging = user.start("run-in-vm", ["--timeout", "15", "shopping", "true"]);
	await user.until("it boots", async () => (await user.stateOf("shopping")) === "booting");
	expect(await user.run("banking", "echo", "not blocked")).toMatchObject({ status: 0, stdout: "not blocked\n" });
	expect((await user.sh("qubes-lite stop shopping")).status).toBe(0);
	const outcome = await hanging.done;
	expect(outcome.status).toBe(125);
	expect(outcome.stderr).toContain("stopped by request");
	await stopAll();
});

it("ends the command when its client is killed", async () => {
	const running = user.start("run-in-vm", ["shopping", "sleep", "12345"]);
	await user.until("the session is there", async () => (await user.status("shopping")).sessions === 1);
	running.kill("SIGKILL");
	await running.done;
	await user.until("it is idle", async () => (await user.stateOf("shopping")) === "idle");
	expect(user.processes().filter(({ words }) => words === "sleep 12345")).toEqual([]);
	await stopAll();
});

it("survives many deaths of the broker in a row", async () => {
	expect((await user.run("shopping", "true")).status).toBe(0);
	const starts = user.starts("shopping");
	for (let round = 0; round < rounds(4, 10); round++) {
		killBroker();
		expect(await user.run("shopping", "echo", String(round))).toMatchObject({ status: 0, stdout: `${round}\n` });
	}
	expect(user.starts("shopping")).toBe(starts);
	await stopAll();
});

/** The kernel calls that ECONNRESET, and only where the client sees its own connect() late: seen on a busy machine. */
it("asks the next broker where the first ends before it has accepted", async () => {
	const directory = mkdtempSync(join(tmpdir(), "ql-"));
	mkdirSync(join(directory, "qubes-lite"), { mode: 0o700 });
	const path = join(directory, "qubes-lite/broker.sock");
	const listen = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
	const first = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
	await once(first.stdout, "data");
	first.kill("SIGSTOP");
	const next = createServer((socket) => socket.on("data", () => socket.end(encodeReply({ of: "the next" }))));
	try {
		const asked = callBroker({ XDG_RUNTIME_DIR: directory }, encodeRequest({ method: "list" }));
		/** All before this process looks at its sockets again. */
		spawnSync("sh", ["-c", `kill -KILL ${first.pid}; while [ -e /proc/${first.pid}/fd/0 ]; do sleep 0.01; done`]);
		rmSync(path);
		next.listen(path);
		expect(await asked).toEqual({ of: "the next" });
	} finally {
		next.close();
		rmSync(directory, { recursive: true });
	}
});

it("says on SIGTERM goodbye to nobody: vms stay up, and the next broker has them", async () => {
	expect((await user.run("shopping", "true")).status).toBe(0);
	const starts = user.starts("shopping");
	await user.endBrokers("SIGTERM");
	expect(await user.run("shopping", "echo", "same vm")).toMatchObject({ status: 0, stdout: "same vm\n" });
	expect(user.starts("shopping")).toBe(starts);
	await stopAll();
});

it("lets a vm that has left the configuration end, and starts it no more", async () => {
	const other = new FakeUser({ vms: [{ id: 9, name: "old" }] });
	other.order("old", { powerOffDelayMs: 7_500 });
	expect((await other.run("old", "true")).status).toBe(0);
	other.signalBrokers("SIGKILL");
	writeFileSync(other.env.QUBES_LITE_CONFIG ?? "", JSON.stringify({ version: 1, vms: [{ id: 5, name: "shopping" }] }));
	expect((await other.status("old")).flags).toContain("notConfigured");
	expect(await other.run("old", "echo", "still up")).toMatchObject({ status: 0, stdout: "still up\n" });
	const stop = other.start("qubes-lite", ["stop", "old"]);
	await other.until("it shuts down", async () => (await other.stateOf("old")) === "shutdown");
	const late = await other.run("old", "true");
	expect(late).toMatchObject({ status: 125 });
	expect(late.stderr).toContain("the configuration has no vm 'old' any more");
	expect((await stop.done).status).toBe(0);
	await other.until("it is forgotten", async () => (await other.sh("qubes-lite ls -q")).stdout === "shopping\n");
	expect((await other.sh("qubes-lite start old")).stderr).toContain("there is no vm 'old'");
	expect(other.starts("old")).toBe(1);
	expect(await other.leave(["shopping"])).toEqual(nothingLeft);
});
