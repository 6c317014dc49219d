import { expect, it } from "vitest";
import type { Reason } from "../../../src/statemachines/vm-events.ts";
import { FakeBroker, FakeVm, leasesWith, settle, waiting } from "./fake-desktop.ts";

const shopping = (now: () => number): FakeVm => new FakeVm("shopping", now);
const disposable = (now: () => number): FakeVm =>
	new FakeVm("disp-1a2b", now, { disposable: true, instanceOf: { name: "disp", id: 15 } });

/** It boots for somebody. */
function boot(broker: FakeBroker, vm = broker.vm()): void {
	const now = broker.clock.now();
	vm.step("booting", {
		leases: leasesWith(waiting(now)),
		bootBeganAt: now,
		phase: "vmm",
		vmmAlive: true,
		reason: null,
	});
}

const cgroup = { kind: "cgroup", id: 3, label: "firefox", since: 0 } as const;
const session = { kind: "session", id: 3, label: "firefox", since: 0 } as const;

const crash: Reason = { code: "BootFailed", sentence: "its vmm ended with status 1: no <b>memory</b>" };

it("a boot that somebody waits for is told after 2 s, with how far it has come, until the vm is there", async () => {
	const broker = new FakeBroker(shopping);
	broker.vm().usualBootMs = 5_000;
	boot(broker);
	await broker.advance(1_999);
	expect(broker.desktop.bubbles).toEqual([]);
	await broker.advance(1);
	expect(broker.desktop.open.map(({ note }) => note)).toEqual([
		{
			summary: "Starting shopping…",
			body: ["kernel, 2 s; usually 5 s"],
			urgency: "low",
			progress: 40,
			expiresMs: 10_000,
		},
	]);
	broker.vm().step("booting", { phase: "agent" });
	await broker.advance(4_000);
	const [bubble] = broker.desktop.open;
	expect(bubble?.note).toMatchObject({ body: ["agent, 6 s; usually 5 s"], progress: 99 });
	broker.vm().step("ready", { leases: leasesWith() });
	await settle();
	expect(broker.desktop.summaries).toEqual([]);
	const count = bubble?.said.length;
	await broker.advance(60_000);
	expect(bubble?.said.length).toBe(count);
});

it("it is brought up to date at most twice a second, however fast its phases come", async () => {
	const broker = new FakeBroker(shopping);
	broker.vm().usualBootMs = 10_000;
	boot(broker);
	await broker.advance(2_000);
	for (let step = 0; step < 200; step++) {
		broker.vm().step("booting", { phase: step % 2 === 0 ? "init" : "agent" });
		await broker.advance(10);
	}
	const [bubble] = broker.desktop.open;
	const gaps = bubble?.saidAt.slice(1).map((at, index) => at - (bubble.saidAt[index] ?? 0)) ?? [];
	expect(gaps.length).toBeGreaterThanOrEqual(3);
	expect(Math.min(...gaps)).toBeGreaterThanOrEqual(500);
});

it("a boot without a usual time has no progress to show, and one that waits for other vms has made none", async () => {
	const broker = new FakeBroker(shopping);
	broker.vm().step("booting", { leases: leasesWith(waiting(broker.clock.now())), phase: "dependencies" });
	await broker.advance(2_000);
	expect(broker.desktop.open[0]?.note).toEqual({
		...{ summary: "Starting shopping…", urgency: "low", expiresMs: 10_000 },
		body: ["waiting for the vms that it depends on, 2 s"],
	});
	broker.vm().usualBootMs = 3_000;
	await broker.advance(1_000);
	expect(broker.desktop.open[0]?.note.progress).toBe(0);
});

it.each<[string, (broker: FakeBroker) => void]>([
	["that nobody waits for, as at the login", ({ vms: [vm] }) => vm?.step("booting", { phase: "vmm" })],
	[
		"of an instance that is kept ready",
		(broker) => {
			broker.preloaded.add(broker.vm());
			boot(broker);
		},
	],
	[
		"whose only requester has left",
		(broker) => {
			boot(broker);
			broker.vm().step("booting", { leases: leasesWith() });
		},
	],
	[
		"that is quick",
		(broker) => {
			boot(broker);
			broker.vm().step("ready", { leases: leasesWith() });
		},
	],
	[
		"where it is off by configuration",
		(broker) => {
			broker.isWanted = false;
			boot(broker);
		},
	],
])("nobody is told of a boot %s", async (_, begin) => {
	const broker = new FakeBroker(shopping);
	begin(broker);
	await broker.advance(30_000);
	expect(broker.desktop.bubbles).toEqual([]);
});

it("what its reader has closed does not come back in the same boot", async () => {
	const broker = new FakeBroker(shopping);
	boot(broker);
	await broker.advance(2_000);
	broker.desktop.open[0]?.dismiss();
	await broker.advance(20_000);
	expect(broker.desktop.bubbles.length).toBe(1);
	expect(broker.desktop.bubbles[0]?.said.length).toBe(1);
});

it("a boot that fails is told with its reason, what helps, and its log", async () => {
	const broker = new FakeBroker(shopping);
	boot(broker);
	broker.vm().step("failed", { reason: crash, leases: leasesWith() });
	await settle();
	const [bubble] = broker.desktop.open;
	expect(bubble?.note).toEqual({
		summary: "shopping did not start",
		body: [crash.sentence, "qubes-lite logs shopping"],
		urgency: "critical",
		actions: [{ key: "log", label: "Show log" }],
	});
	bubble?.click("log");
	expect(broker.logs).toEqual([`shopping: shopping did not start: ${crash.sentence}`]);
	await settle();
	expect(broker.desktop.bubbles.length).toBe(1);
	/** It is tried again: what it was before is of no interest. */
	boot(broker);
	await settle();
	expect(broker.desktop.summaries).toEqual([]);
});

it("where nothing opens the log, its reader is told how to get at it", async () => {
	const broker = new FakeBroker(shopping);
	broker.opensLogs = false;
	boot(broker);
	broker.vm().step("failed", { reason: crash });
	await settle();
	broker.desktop.open[0]?.click("log");
	await settle();
	expect(broker.desktop.open[1]?.note).toMatchObject({
		summary: "The log of shopping",
		body: ["Nothing opens it here. In a terminal: qubes-lite logs shopping"],
	});
});

it("a vm that goes down without being asked to says so, and an instance has no log", async () => {
	const broker = new FakeBroker(disposable);
	broker.vm().step("booting");
	broker.vm().step("ready");
	broker.vm().step("failed", { reason: crash });
	await settle();
	expect(broker.desktop.open[0]?.note).toMatchObject({ summary: "disp-1a2b has ended unexpectedly", actions: [] });
});

it("a disposable that is late is killed, and told when it is gone", async () => {
	const broker = new FakeBroker(disposable);
	boot(broker);
	const reason: Reason = { code: "BootTimeout", sentence: "no hello within 1 min; reached kernel" };
	broker.vm().step("shutdown", { reason, leases: leasesWith() });
	broker.vm().step("stopped", { reason });
	await settle();
	expect(broker.desktop.summaries).toEqual(["disp-1a2b did not start"]);
});

it.each<[string, Reason]>([
	["that was asked to stop", { code: "Stopped", sentence: "stopped by request" }],
	[
		"whose dependency is to blame, which has one of its own",
		{ code: "BootFailed", sentence: "db, which …", fault: { vm: "db", words: "did not become ready" } },
	],
])("nobody is told of the end of a vm %s", async (_, reason) => {
	const broker = new FakeBroker(shopping);
	boot(broker);
	broker.vm().step("failed", { reason });
	await settle();
	expect(broker.desktop.bubbles).toEqual([]);
});

/** Idle, and about to be stopped 30 s from now. */
function announce(broker: FakeBroker, vm = broker.vm()): void {
	const now = broker.clock.now();
	vm.step("idle", { idleSince: now - 570_000, announcedStopAt: now + 30_000 });
	vm.notice({ type: "stop.announced", at: now + 30_000, sentence: "idle for 10 min" });
}

it("a stop is told before it comes, and Keep running counts as use", async () => {
	const broker = new FakeBroker(shopping);
	announce(broker);
	await settle();
	const [bubble] = broker.desktop.open;
	expect(bubble?.note).toEqual({
		summary: "shopping stops in 30 s",
		body: ["idle for 10 min"],
		urgency: "normal",
		expiresMs: 30_000,
		actions: [{ key: "keep", label: "Keep running" }],
	});
	bubble?.click("keep");
	expect(broker.vm().asked).toEqual(["start.requested"]);
	broker.vm().notice({ type: "stop.averted" });
	await settle();
	expect(broker.desktop.summaries).toEqual([]);
	/** A click that comes late is nobody's. */
	bubble?.click("keep");
	expect(broker.vm().asked).toEqual(["start.requested"]);
});

it("it goes when the vm does, and what is going down is not booted again by a late click", async () => {
	const broker = new FakeBroker(shopping);
	announce(broker);
	await settle();
	const [bubble] = broker.desktop.open;
	broker.vm().state = "shutdown";
	bubble?.click("keep");
	broker.vm().step("shutdown");
	await settle();
	expect([broker.desktop.summaries, broker.vm().asked]).toEqual([[], []]);
});

it("a stop that nothing averts offers nothing", async () => {
	const broker = new FakeBroker(shopping);
	const now = broker.clock.now();
	broker.vm().step("ready", { maxLifetimeMs: 60_000, bootBeganAt: now - 30_000, announcedStopAt: now + 30_000 });
	broker.vm().notice({ type: "stop.announced", at: now + 30_000, sentence: "its maxLifetime of 1 min is over" });
	await settle();
	expect(broker.desktop.open[0]?.note.actions).toEqual([]);
});

it("no button does what the policy forbids, and nobody is told of what they may not watch", async () => {
	const broker = new FakeBroker(shopping, disposable);
	announce(broker);
	broker.vm(1).step("ready", { linked: true, used: true, leases: leasesWith(cgroup) });
	await broker.advance(60_000);
	for (const one of ["start shopping", "stop disp-1a2b"]) broker.forbidden.add(one);
	broker.desktop.bubbles[0]?.click("keep");
	broker.desktop.bubbles[1]?.click("stop");
	announce(broker);
	await settle();
	expect(broker.desktop.open.map(({ note }) => [note.summary, note.actions?.length])).toEqual([
		["disp-1a2b is still open", 1],
		["shopping stops in 30 s", 0],
	]);
	expect(broker.vms.flatMap(({ asked }) => asked)).toEqual([]);
	for (const vm of broker.vms) broker.forbidden.add(`events ${vm.config.name}`);
	broker.vm(1).step("shutdown");
	for (const vm of broker.vms) vm.step("failed", { reason: crash });
	boot(broker);
	await broker.advance(30_000);
	expect(broker.desktop.summaries).toEqual([]);
});

it("a stop that was announced before is told, too", async () => {
	const broker = new FakeBroker((now) => {
		const vm = shopping(now);
		vm.step("idle", { idleSince: now() - 590_000, announcedStopAt: now() + 10_000 });
		return vm;
	});
	await settle();
	expect(broker.desktop.summaries).toEqual(["shopping stops in 10 s"]);
});

it("a disposable that stays a minute after its command has ended is told with what keeps it, and can be stopped", async () => {
	const broker = new FakeBroker(disposable);
	broker.vm().step("ready", { linked: true, used: true, leases: leasesWith(session) });
	await broker.advance(600_000);
	broker.vm().step("ready", { leases: leasesWith(cgroup) });
	await broker.advance(59_999);
	expect(broker.desktop.bubbles).toEqual([]);
	await broker.advance(1);
	const [bubble] = broker.desktop.open;
	expect(bubble?.note).toMatchObject({
		summary: "disp-1a2b is still open",
		body: [expect.stringMatching(/^kept by what firefox left \(session disp-1a2b\.3/)],
		actions: [{ key: "stop", label: "Stop it" }],
	});
	await broker.advance(600_000);
	expect(broker.desktop.bubbles.length).toBe(1);
	bubble?.click("stop");
	expect(broker.vm().asked).toEqual(["stop"]);
	broker.vm().step("shutdown");
	await settle();
	expect(broker.desktop.summaries).toEqual([]);
});

it.each<[string, (broker: FakeBroker) => void]>([
	["another command runs in it", ({ vms: [vm] }) => vm?.step("ready", { leases: leasesWith(cgroup, session) })],
	["nothing was run in it yet", ({ vms: [vm] }) => vm?.step("ready", { used: false, leases: leasesWith(cgroup) })],
	["nothing keeps it: it is about to go", ({ vms: [vm] }) => vm?.step("idle", { leases: leasesWith() })],
])("nobody is told of a disposable that stays while %s", async (_, stay) => {
	const broker = new FakeBroker(disposable);
	broker.vm().step("ready", { linked: true, used: true, leases: leasesWith(session) });
	stay(broker);
	await broker.advance(600_000);
	expect(broker.desktop.bubbles).toEqual([]);
});

it("a disposable whose guest is not heard says that, and an ordinary vm stays as long as it likes", async () => {
	const broker = new FakeBroker(disposable, shopping);
	for (const vm of broker.vms) vm.step("ready", { linked: false, used: true, unresponsive: true });
	await broker.advance(60_000);
	expect(broker.desktop.open.map(({ note }) => [note.summary, note.body])).toEqual([
		["disp-1a2b is still open", ["its guest does not answer"]],
	]);
});

it("a configuration that wants none takes them away, and another one brings new ones", async () => {
	const broker = new FakeBroker(shopping);
	announce(broker);
	await settle();
	broker.configure(false);
	await settle();
	expect(broker.desktop.summaries).toEqual([]);
	announce(broker);
	await broker.advance(20_000);
	broker.configure(true);
	announce(broker);
	await settle();
	expect(broker.desktop.summaries).toEqual(["shopping stops in 30 s"]);
});

it("a broker that leaves takes away what will not be true, and offers nothing that nobody would do", async () => {
	const broker = new FakeBroker(
		shopping,
		(now) => new FakeVm("banking", now),
		(now) => new FakeVm("vault", now),
	);
	announce(broker);
	boot(broker, broker.vm(1));
	broker.vm(1).step("failed", { reason: crash });
	boot(broker, broker.vm(2));
	await broker.advance(2_000);
	expect(broker.desktop.summaries).toEqual(["shopping stops in 30 s", "banking did not start", "Starting vault…"]);
	await broker.notifications.close();
	expect(broker.desktop.open.map(({ note }) => note)).toEqual([
		{ summary: "banking did not start", body: [crash.sentence, "qubes-lite logs banking"], urgency: "critical" },
	]);
	expect(broker.vms.map(({ watchers }) => watchers)).toEqual([0, 0, 0]);
	/** But for the bound of its own leaving. */
	expect(broker.clock.pending).toBe(1);
});

it("a server that does not answer holds up nobody who leaves", async () => {
	const broker = new FakeBroker(shopping);
	broker.desktop.isDeaf = true;
	boot(broker);
	broker.vm().step("failed", { reason: crash });
	const left = broker.notifications.close();
	await broker.advance(250);
	await left;
});

it("without anybody who shows them nothing is different, and nothing is tried again and again", async () => {
	const broker = new FakeBroker(shopping);
	broker.desktop.isAbsent = true;
	boot(broker);
	await broker.advance(60_000);
	broker.vm().step("failed", { reason: crash });
	await broker.advance(60_000);
	expect(broker.clock.pending).toBe(0);
});

it("vms that come are followed, and those that go are not", async () => {
	const broker = new FakeBroker();
	const vm = disposable(() => broker.clock.now());
	broker.tell("added", vm);
	boot(broker, vm);
	await broker.advance(2_000);
	expect(broker.desktop.summaries).toEqual(["Starting disp-1a2b…"]);
	broker.tell("gone", vm);
	await settle();
	expect([broker.desktop.summaries, vm.watchers]).toEqual([[], 0]);
});

it("a window that could not be shown is told with what helps, and the last one stays", async () => {
	const broker = new FakeBroker(shopping);
	const remedy = "sudo apt-get install waypipe";
	broker.vm().display({ type: "notice", message: "waypipe is not installed on this host", remedy });
	await settle();
	expect(broker.desktop.open.map(({ note }) => note)).toEqual([
		{
			summary: "shopping can't show a window",
			body: ["waypipe is not installed on this host", remedy],
			urgency: "normal",
		},
	]);
	await broker.advance(10_000);
	broker.vm().display({ type: "notice", message: "the display of shopping was cut", remedy: null });
	await settle();
	expect(broker.desktop.open.map(({ note }) => note.body)).toEqual([["the display of shopping was cut"]]);
});

it("what is copied from a vm to the desktop, or the other way, is told to whoever may not have asked for it", async () => {
	const broker = new FakeBroker(shopping);
	broker.vm().display({ type: "moved", way: "copy", kind: "text", bytes: 12 });
	await broker.advance(10_000);
	broker.vm().display({ type: "moved", way: "paste", kind: "png", bytes: 2048 });
	await settle();
	expect(broker.desktop.open.map(({ note: { summary, body } }) => [summary, ...body])).toEqual([
		["Copied from shopping to this desktop", "text, 12 bytes"],
		["Copied from this desktop to shopping", "a picture, 2048 bytes"],
	]);
});
