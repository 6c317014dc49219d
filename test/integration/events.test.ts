/** `qubes-lite events`: what happens to vms, told as it happens, also across brokers. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BrokerEvent } from "../../src/protocol/broker-events.ts";
import { nothingLeft, type Running } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping", idleTimeout: 7 },
			{ id: 7, name: "banking" },
			{ id: 15, name: "disp", disposable: true },
		],
	});
});

afterAll(async () => {
	expect(await user.leave(["shopping", "banking", "disp"])).toEqual(nothingLeft);
});

const told = (watcher: Running): BrokerEvent[] =>
	watcher
		.stdout()
		.split("\n")
		.slice(0, -1)
		.map((line) => {
			const { schema, ...event } = JSON.parse(line);
			expect(schema).toBe(1);
			expect(new Date(event.at).toISOString()).toBe(event.at);
			return event;
		});

const wordsOf = (event: BrokerEvent): string =>
	event.type === "state" ? `${event.from} → ${event.to}` : event.type === "is" ? `is ${event.state}` : event.type;

const words = (watcher: Running): string[] => told(watcher).map(wordsOf);

async function watch(...operands: string[]): Promise<Running> {
	const watcher = user.start("qubes-lite", ["events", "--json", ...operands]);
	const vms = operands.length > 0 ? 1 : 3;
	await user.until(
		"the snapshot is there",
		() => words(watcher).filter((word) => word.startsWith("is ")).length === vms,
	);
	return watcher;
}

async function interrupt(watcher: Running): Promise<void> {
	watcher.kill("SIGINT");
	expect(await watcher.done).toMatchObject({ signal: "SIGINT", stderr: "" });
}

it("tells of a boot, of a stop before it comes, that a run averts it, and why it came", {
	timeout: 60_000,
}, async () => {
	const watcher = await watch("shopping");
	const people = user.start("qubes-lite", ["events"]);
	await user.until("people have it, too", () => people.stdout().includes(" disp "));
	expect(words(watcher)).toEqual(["broker", "is stopped"]);
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	const count = (word: string): number => words(watcher).filter((one) => one === word).length;
	await user.until("its stop is announced", () => count("stop-announced") === 1);
	/** It comes later: who comes now is told so, too. */
	const late = await watch("shopping");
	await user.until("the late one knows", () => words(late).includes("stop-announced"));
	const stopsAt = (of: Running): number[] =>
		told(of).flatMap((event) => (event.type === "stop-announced" ? [Math.round(Date.parse(event.stopsAt) / 100)] : []));
	expect(Math.abs((stopsAt(late)[0] ?? 0) - (stopsAt(watcher)[0] ?? 0))).toBeLessThanOrEqual(1);
	expect(words(late)).toEqual(["broker", "is idle", "stop-announced"]);
	await interrupt(late);
	expect((await user.run("shopping", "true")).status).toBe(0);
	await user.until("it has stopped", () => words(watcher).at(-1) === "shutdown → stopped");
	const isTransit = (word: string): boolean => /^(idle → ready|ready → idle|booting → (ready|idle))$/.test(word);
	expect(words(watcher).filter((word) => !isTransit(word))).toEqual([
		...["broker", "is stopped", "stopped → booting", "boot", "stop-announced", "stop-averted", "stop-announced"],
		...["idle → shutdown", "shutdown → stopped"],
	]);
	expect(told(watcher).at(-1)).toMatchObject({ vm: "shopping", flags: [], reason: "idle for 7 s", remedy: null });
	expect(told(watcher).find(({ type }) => type === "boot")).toMatchObject({ vm: "shopping", ms: expect.any(Number) });
	await user.until("people have it, too", () => / shopping {2}idle → shutdown: idle for 7 s\n/.test(people.stdout()));
	expect(people.stdout()).toMatch(/^\d\d:\d\d:\d\d shopping {2}is stopped$/m);
	expect(people.stdout()).toMatch(/^\d\d:\d\d:\d\d banking {3}is stopped$/m);
	expect(people.stdout()).toMatch(/ shopping {2}has booted in \d\.\d s/);
	expect(people.stdout()).toMatch(/ shopping {2}stops at \d\d:\d\d:\d\d: idle for 7 s\n/);
	await interrupt(people);
	await interrupt(watcher);
});

it("tells of instances that come and go", async () => {
	const watcher = await watch();
	expect(words(watcher)).toEqual(["broker", "is stopped", "is stopped", "is stopped"]);
	expect((await user.run("--disposable", "true")).status).toBe(0);
	await user.until("it is gone", () => words(watcher).at(-1) === "vm-gone");
	const events = told(watcher).slice(4);
	expect(events.slice(0, 3).map(wordsOf)).toEqual(["vm-added", "is stopped", "stopped → booting"]);
	expect(new Set(events.map((event) => ("vm" in event ? event.vm : "")))).toEqual(
		new Set([expect.stringMatching(/^disp-[0-9a-f]{4}$/)]),
	);
	await interrupt(watcher);
});

it.each(["SIGKILL", "SIGTERM"] as const)(
	"goes on with the next broker after a %s, and repeats nothing",
	async (signal) => {
		expect((await user.sh("qubes-lite start banking")).status).toBe(0);
		const watcher = await watch();
		const before = told(watcher).length;
		const old = user.brokerPid();
		process.kill(old, signal);
		await user.until("another broker tells", () => words(watcher).filter((word) => word === "broker").length === 2);
		const again = told(watcher).slice(before);
		expect(again[0]).toMatchObject({ type: "broker", vms: ["banking", "shopping", "disp"] });
		expect(again[0]).not.toMatchObject({ pid: old });
		/** An adopted vm is ready until its agent has dialled again, which is a change, if it takes that long. */
		await user.until("its agent is back", async () => (await user.stateOf("banking")) === "idle");
		const changes = told(watcher).slice(before + 1);
		expect(changes.map((event) => ("vm" in event ? event.vm : ""))).toEqual(changes.map(() => "banking"));
		expect((await user.sh("qubes-lite stop banking")).status).toBe(0);
		await user.until("its stop is told", () => words(watcher).at(-1) === "shutdown → stopped");
		await interrupt(watcher);
	},
);

it("keeps the broker, and starts no vm", async () => {
	const watcher = await watch();
	const pids = user.brokerPids();
	/** Three times as long as a broker stays that nobody needs. */
	await delay(1_500);
	expect(user.brokerPids()).toEqual(pids);
	expect(words(watcher)).toEqual(["broker", "is stopped", "is stopped", "is stopped"]);
	await interrupt(watcher);
});

it.each([
	["a pipe", '{ qubes-lite events --json; echo "status $?" >&2; } | head -n 1'],
	["a named pipe", 'mkfifo fifo; head -n 1 fifo & qubes-lite events --json >fifo; echo "status $?" >&2; rm fifo; wait'],
])("ends at once, and without a word, when nobody reads %s any more, although nothing happens", async (_, line) => {
	const { stdout, stderr } = await user.sh(`cd ${user.directory}; ${line}`);
	expect(JSON.parse(stdout)).toMatchObject({ schema: 1, type: "broker" });
	expect(stderr).toBe("status 0\n");
});

it("says in one sentence that its output can't be written", async () => {
	for (const words of ["events", "events --json", "ls"]) {
		expect(await user.sh(`qubes-lite ${words} >/dev/full`), words).toMatchObject({
			status: 1,
			stderr: "qubes-lite: the output cannot be written: ENOSPC: no space left on device, write\n",
		});
	}
});

it("goes on under nohup when its terminal hangs up", async () => {
	const watcher = user.start("sh", ["-c", "trap '' HUP; exec qubes-lite events --json"]);
	await user.until("the snapshot is there", () => watcher.stdout().includes('"is"'));
	watcher.kill("SIGHUP");
	const told = watcher.stdout().length;
	expect((await user.sh("qubes-lite start banking && qubes-lite stop banking")).status).toBe(0);
	await user.until("it tells more", () => watcher.stdout().length > told);
	await interrupt(watcher);
});

it("of a vm that there is not is refused", async () => {
	const { status, stdout, stderr } = await user.sh("qubes-lite events shoping");
	expect([status, stdout]).toEqual([1, ""]);
	expect(stderr).toContain("there is no vm 'shoping'; did you mean 'shopping'?");
});
