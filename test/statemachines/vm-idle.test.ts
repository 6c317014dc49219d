import { describe, expect, test } from "vitest";
import { busyVm, crash, idleVm, VmUnderTest } from "./vm-harness.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

describe("an idle vm", () => {
	test("is shut down exactly at its idleTimeout", () => {
		const vm = idleVm({ idleTimeoutMs: 10 * minuteMs });
		vm.beatFor(10 * minuteMs - 1);
		expect(vm.state).toBe("idle");
		vm.advance(1);
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.takeEffects()).toEqual(["askPoweroff"]);
		expect(vm.context.reason).toEqual({ code: "Stopped", sentence: "idle for 10 min" });
		expect(vm.context.idleSince).toBeNull();
	});

	test("with idleTimeout 0 is never shut down, and has no timer for it", () => {
		const vm = idleVm({ idleTimeoutMs: 0 });
		const silenceTimerOnly = 1;
		expect(vm.clock.pending).toBe(silenceTimerOnly);
		vm.beatFor(dayMs);
		expect(vm.state).toBe("idle");
		expect(vm.takeEffects()).toEqual([]);
	});

	test("with an idleTimeout of 365 days stays for all of them, though setTimeout holds 24", () => {
		const vm = idleVm({ idleTimeoutMs: 365 * dayMs });
		vm.beatFor(minuteMs);
		expect(vm.state).toBe("idle");
		vm.leap(365 * dayMs - minuteMs - 1_000);
		vm.send({ type: "stop.due", boot: vm.context.boot });
		expect(vm.state).toBe("idle");
		vm.advance(999);
		expect(vm.state).toBe("idle");
		vm.advance(1);
		expect(vm.state).toBe("shutdown");
		expect(vm.context.reason?.sentence).toBe("idle for 365 d");
	});

	test("is taken up again by a run, and counts afresh when that is over", () => {
		const vm = idleVm();
		vm.beatFor(9 * minuteMs);
		vm.run(1);
		expect(vm.answerTo(1)).toBe("ready");
		expect(vm.state).toBe("ready");
		expect(vm.context.idleSince).toBeNull();
		vm.grant(1, 1);
		vm.beat({ sessions: [1] });
		vm.beatFor(20 * minuteMs, { sessions: [1] });
		expect(vm.state).toBe("ready");
		vm.beat();
		expect(vm.state).toBe("idle");
		vm.beatFor(10 * minuteMs - 1);
		expect(vm.state).toBe("idle");
		vm.advance(1);
		expect(vm.state).toBe("shutdown");
	});

	test("that is started counts afresh too: any request is a use", () => {
		const vm = idleVm();
		const { since } = vm.context;
		vm.beatFor(10 * minuteMs - 1);
		vm.start(1);
		expect(vm.answerTo(1)).toBe("ready");
		vm.beatFor(10 * minuteMs - 1);
		expect(vm.state).toBe("idle");
		expect(vm.context.since).toBe(since);
		vm.advance(1);
		expect(vm.state).toBe("shutdown");
	});

	test("leaves no timers behind, however often it is used", () => {
		const vm = idleVm();
		const { pending } = vm.clock;
		for (let use = 1; use <= 100; use++) {
			vm.run(use);
			vm.grant(use, use);
			vm.beat({ sessions: [use] });
			vm.advance(10_000);
			vm.beat();
		}
		expect(vm.state).toBe("idle");
		expect(vm.clock.pending).toBe(pending);
	});

	test("is not stopped by a timer of an earlier boot, nor by one that rings early", () => {
		const vm = idleVm();
		vm.leap(10 * minuteMs);
		vm.send({ type: "stop.due", boot: 0 });
		expect(vm.state).toBe("idle");
		const young = idleVm();
		young.send({ type: "stop.due", boot: 1 });
		expect(young.state).toBe("idle");
	});
});

describe("a disposable", () => {
	test("stops at once after its last lease", () => {
		const vm = busyVm({ disposable: true });
		vm.beatFor(minuteMs, { sessions: [1] });
		vm.beat();
		vm.advance(0);
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.context.reason).toEqual({
			code: "Stopped",
			sentence: "its last command ended, and it is disposable",
		});
	});

	test("whose only client left before its command began stops at once", () => {
		const vm = new VmUnderTest({ disposable: true });
		vm.run(1);
		vm.hello();
		vm.grant(1, 1);
		vm.withdraw(1);
		vm.advance(0);
		expect(vm.state).toBe("shutdown");
	});

	test("that was started without a command waits 60 s for its first", () => {
		const vm = idleVm({ disposable: true });
		vm.beatFor(minuteMs - 1);
		expect(vm.state).toBe("idle");
		vm.advance(1);
		expect(vm.state).toBe("shutdown");
		expect(vm.context.reason?.sentence).toBe("nothing was run in it, and it is disposable");
	});

	test("that was started, and then used, does not wait any more", () => {
		const vm = idleVm({ disposable: true });
		vm.run(1);
		vm.grant(1, 1);
		vm.beat({ sessions: [1] });
		vm.beat();
		vm.advance(0);
		expect(vm.state).toBe("shutdown");
	});

	test("with idleTimeout 0 stops all the same", () => {
		const vm = busyVm({ disposable: true, idleTimeoutMs: 0 });
		vm.beat();
		vm.advance(0);
		expect(vm.state).toBe("shutdown");
	});

	test("that its guest itself makes busy counts as used", () => {
		const vm = idleVm({ disposable: true });
		vm.beat({ sessions: [41] });
		expect(vm.state).toBe("ready");
		vm.beat();
		vm.advance(0);
		expect(vm.state).toBe("shutdown");
	});

	test("counts afresh in its next boot", () => {
		const vm = busyVm({ disposable: true });
		vm.beat();
		vm.advance(0);
		vm.start(1);
		vm.exit();
		vm.hello();
		vm.beatFor(minuteMs - 1);
		expect(vm.state).toBe("idle");
	});
});

describe("leases", () => {
	test("of processes that outlive their command keep the vm: double forks count", () => {
		const vm = busyVm({ disposable: true });
		vm.beatFor(20 * minuteMs, { cgroups: [1] });
		expect(vm.state).toBe("ready");
		vm.beat();
		vm.advance(0);
		expect(vm.state).toBe("shutdown");
	});

	test("of the guest keep it through a re-hello, too", () => {
		const vm = busyVm();
		vm.disconnect();
		vm.hello({ sessions: [1], cgroups: [2] });
		expect([...vm.context.leases.keys()]).toEqual(["session:1", "cgroup:2"]);
		expect(vm.state).toBe("ready");
	});

	test("go one by one; the last one makes it idle", () => {
		const vm = busyVm();
		vm.beat({ sessions: [1], cgroups: [2] });
		vm.beat({ cgroups: [2] });
		expect(vm.state).toBe("ready");
		vm.beat();
		expect(vm.state).toBe("idle");
	});
});

describe("a ticket", () => {
	test("that nobody uses expires after 10 s", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.hello();
		expect(vm.state).toBe("ready");
		vm.advance(9_999);
		expect(vm.state).toBe("ready");
		vm.advance(1);
		expect(vm.state).toBe("idle");
	});

	test("has its full life from the grant on", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.hello();
		vm.advance(9_000);
		vm.grant(1, 1);
		vm.advance(5_000);
		vm.beat();
		vm.advance(4_999);
		expect(vm.state).toBe("ready");
		vm.advance(1);
		expect(vm.state).toBe("idle");
	});

	test("is redeemed by the heartbeat that lists its session, which then holds the vm", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.hello();
		vm.grant(1, 7);
		vm.beat({ sessions: [6] });
		expect([...vm.context.leases.keys()]).toEqual(["ticket:1", "session:6"]);
		vm.beat({ sessions: [7] });
		expect([...vm.context.leases.keys()]).toEqual(["session:7"]);
		vm.beatFor(minuteMs, { sessions: [7] });
		expect(vm.state).toBe("ready");
	});

	test("is given back by a request that is withdrawn", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.hello();
		vm.grant(1, 1);
		vm.withdraw(1);
		expect(vm.state).toBe("idle");
	});

	test("that waited for its turn until its lease had run out holds the vm from its grant on", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.hello();
		vm.advance(10_000);
		expect(vm.state).toBe("idle");
		vm.grant(1, 1);
		expect([...vm.context.leases.values()]).toMatchObject([{ kind: "ticket", id: 1, label: "firefox", session: 1 }]);
		vm.advance(4_000);
		vm.beat();
		vm.advance(5_999);
		expect(vm.state).toBe("ready");
		vm.advance(1);
		expect(vm.state).toBe("idle");
	});

	test("is not granted in a vm that has ended", () => {
		const vm = idleVm();
		vm.exit(crash);
		vm.grant(1, 1);
		expect(vm.context.leases.size).toBe(0);
	});

	test("that the guest has told of before its grant gets its label by the grant", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.hello();
		vm.beat({ tickets: [7] });
		vm.grant(1, 7);
		vm.withdraw(1);
		expect([...vm.context.leases.values()]).toMatchObject([{ kind: "announced", id: 7, label: "firefox" }]);
		expect(vm.state).toBe("ready");
		vm.beat();
		expect(vm.state).toBe("idle");
	});

	test("of an earlier boot takes nothing with it when it expires", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.hello();
		vm.exit({ code: "BootFailed", sentence: "its vmm ended with status 1" });
		vm.run(1_000);
		vm.hello();
		vm.grant(1_000, 1);
		vm.send({ type: "ticket.expired", boot: 1, request: 1_000 });
		expect(vm.state).toBe("ready");
	});
});
