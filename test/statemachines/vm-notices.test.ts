/** What a vm's machine says without being asked: a stop that comes near, one that does not come, and how a boot went. */
import { describe, expect, test } from "vitest";
import { busyVm, idleVm, VmUnderTest } from "./vm-harness.ts";

const minuteMs = 60_000;

function quietVm(options: object = {}): VmUnderTest {
	const vm = idleVm({ idleTimeoutMs: 10 * minuteMs, ...options });
	vm.notices.length = 0;
	return vm;
}

describe("30 s before an idle stop", () => {
	test("it is announced, once, with its instant and its reason", () => {
		const vm = quietVm();
		const at = vm.context.now() + 10 * minuteMs;
		vm.beatFor(10 * minuteMs - 30_001);
		expect(vm.notices).toEqual([]);
		vm.beatFor(30_000);
		expect(vm.notices).toEqual([{ type: "stop.announced", at, sentence: "idle for 10 min" }]);
		vm.beatFor(1);
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.notices).toHaveLength(1);
	});

	test.each([
		["a run", (vm: VmUnderTest) => vm.run(1)],
		["a start", (vm: VmUnderTest) => vm.start(1)],
		["an inhibitor", (vm: VmUnderTest) => vm.send({ type: "inhibit.requested", inhibitor: 1, label: "rsync" })],
		["a session that its guest tells of", (vm: VmUnderTest) => vm.beat({ sessions: [1] })],
		["a longer idleTimeout", (vm: VmUnderTest) => vm.configure({ idleTimeoutMs: 20 * minuteMs })],
		["no idleTimeout", (vm: VmUnderTest) => vm.configure({ idleTimeoutMs: 0 })],
	])("%s calls it off", (_title, act) => {
		const vm = quietVm();
		vm.beatFor(10 * minuteMs - 10_000);
		act(vm);
		expect(vm.notices.map(({ type }) => type)).toEqual(["stop.announced", "stop.averted"]);
		vm.advance(10_000);
		expect(["idle", "ready"]).toContain(vm.state);
		expect(vm.notices).toHaveLength(2);
	});

	test("what changes nothing about it does not call it off", () => {
		const vm = quietVm();
		vm.beatFor(10 * minuteMs - 10_000);
		vm.configure({ idleTimeoutMs: 10 * minuteMs, bootTimeoutMs: 9_000 });
		vm.beat();
		expect(vm.notices).toHaveLength(1);
	});

	test("where its idleTimeout is shorter than that, it is announced at once", () => {
		const vm = idleVm({ idleTimeoutMs: 10_000 });
		vm.advance(0);
		expect(vm.notices.map(({ type }) => type)).toEqual(["boot.finished", "stop.announced"]);
	});

	test("a disposable that ends with its last command ends without a word", () => {
		const vm = busyVm({ disposable: true });
		vm.notices.length = 0;
		vm.beat();
		vm.advance(0);
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.notices).toEqual([]);
	});

	test("one that is 365 days off is announced in its time", () => {
		const vm = quietVm({ idleTimeoutMs: 365 * 24 * 60 * minuteMs });
		vm.leap(365 * 24 * 60 * minuteMs - minuteMs);
		vm.send({ type: "stop.near", boot: 1 });
		expect(vm.notices).toEqual([]);
		vm.send({ type: "stop.due", boot: 1 });
		vm.beatFor(30_000);
		expect(vm.notices.map(({ type }) => type)).toEqual(["stop.announced"]);
	});

	test("a vmm that ends meanwhile leaves nothing announced", () => {
		const vm = quietVm();
		vm.beatFor(10 * minuteMs - 10_000);
		vm.exit(null);
		expect(vm.context.announcedStopAt).toBeNull();
		expect(vm.notices).toHaveLength(1);
	});
});

describe("a maxLifetime", () => {
	test("ends a vm that is busy for ever, with a warning, and who asks then is served by the next boot", () => {
		const vm = busyVm({ maxLifetimeMs: 60 * minuteMs });
		vm.notices.length = 0;
		vm.beatFor(60 * minuteMs - 1, { sessions: [1] });
		expect(vm.state).toBe("ready");
		expect(vm.notices.map(({ type }) => type)).toEqual(["stop.announced"]);
		vm.run(2);
		vm.advance(1);
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.context.reason?.sentence).toBe("its maxLifetime of 1 h is over");
		vm.run(3);
		vm.exit(null);
		expect(vm.state).toBe("booting");
	});

	test("ends one that is idle, or paused, too", () => {
		const options = { maxLifetimeMs: 20 * minuteMs, idleTimeoutMs: 0 };
		const idle = quietVm(options);
		idle.beatFor(20 * minuteMs);
		expect(idle.step).toBe("shutdown.asking");
		const paused = quietVm({ ...options, idleTimeoutMs: 10 * minuteMs, idleAction: "pause" });
		paused.beatFor(10 * minuteMs);
		paused.advance(500);
		paused.send({ type: "vmm.paused", boot: 1 });
		paused.advance(10 * minuteMs);
		expect(paused.step).toBe("shutdown.waking");
		expect(paused.context.reason?.sentence).toBe("its maxLifetime of 20 min is over");
	});

	test("counts from the start of the vmm, also of one that an earlier broker started", () => {
		const vm = new VmUnderTest({ maxLifetimeMs: 10 * minuteMs, adopted: { saidHello: true, ageMs: 9 * minuteMs } });
		vm.hello({ sessions: [1] });
		vm.beatFor(minuteMs, { sessions: [1] });
		expect(vm.step).toBe("shutdown.asking");
	});
});

describe("a boot", () => {
	test("that leads to a hello is told with its phases, once", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.advance(400);
		vm.reach("init");
		vm.advance(100);
		vm.reach("root");
		vm.reach("init");
		vm.advance(700);
		vm.hello();
		expect(vm.notices).toEqual([{ type: "boot.finished", ms: 1_200, phases: { init: 400, root: 500 } }]);
		vm.disconnect();
		vm.hello();
		expect(vm.notices).toHaveLength(1);
	});

	test("that is tried again has the phases of what came up, since the first start", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.advance(400);
		vm.reach("init");
		vm.reach("root");
		vm.exit({ code: "BootFailed", sentence: "its vmm ended with status 1" }, { retriable: true });
		vm.advance(600);
		vm.reach("init");
		vm.advance(200);
		vm.hello();
		expect(vm.notices).toEqual([{ type: "boot.finished", ms: 1_200, phases: { init: 1_000 } }]);
	});

	test("of which nobody knows how long it took is not told", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: true, ageMs: 5_000 } });
		vm.hello();
		expect(vm.notices).toEqual([]);
	});
});
