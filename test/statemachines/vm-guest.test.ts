import { describe, expect, test } from "vitest";
import type { Reason } from "../../src/statemachines/vm-events.ts";
import { busyVm, crash, idleVm, VmUnderTest } from "./vm-harness.ts";

const minuteMs = 60_000;

describe("lost heartbeats", () => {
	test("make a vm unresponsive when three are missing", () => {
		const vm = busyVm();
		vm.advance(14_999);
		expect(vm.context.unresponsive).toBe(false);
		vm.advance(1);
		expect(vm.context.unresponsive).toBe(true);
		expect(vm.state).toBe("ready");
	});

	test("never make it idle: unknown means busy", () => {
		const vm = idleVm();
		vm.advance(15_000);
		expect(vm.state).toBe("ready");
		expect(vm.context.idleSince).toBeNull();
		vm.advance(60 * minuteMs);
		expect(vm.state).toBe("ready");
		expect(vm.takeEffects()).toEqual([]);
	});

	test("do not let a disposable stop either", () => {
		const vm = busyVm({ disposable: true });
		vm.advance(15_000);
		vm.send({ type: "request.withdrawn", request: 901 });
		vm.advance(60 * minuteMs);
		expect(vm.state).toBe("ready");
	});

	test("that come back start a fresh idle-since", () => {
		const vm = idleVm();
		vm.beatFor(9 * minuteMs);
		vm.advance(30_000);
		vm.beat();
		expect(vm.state).toBe("idle");
		expect(vm.context.unresponsive).toBe(false);
		vm.beatFor(10 * minuteMs - 1);
		expect(vm.state).toBe("idle");
		vm.advance(1);
		expect(vm.state).toBe("shutdown");
	});

	test("of an earlier boot are nobody's silence", () => {
		const vm = busyVm();
		vm.send({ type: "heartbeat.missed", boot: 0 });
		expect(vm.context.unresponsive).toBe(false);
	});

	test("are forgotten with the vmm whose they were", () => {
		const vm = busyVm();
		vm.advance(15_000);
		vm.exit();
		expect(vm.context.unresponsive).toBe(false);
	});

	test("are not counted any more when the vmm has ended", () => {
		const vm = busyVm();
		vm.exit();
		expect(vm.clock.pending).toBe(1);
		vm.advance(minuteMs);
		expect(vm.context.unresponsive).toBe(false);
	});
});

describe("a lost control connection", () => {
	test("counts as busy", () => {
		const vm = idleVm();
		vm.disconnect();
		expect(vm.state).toBe("ready");
		expect(vm.context.linked).toBe(false);
		vm.advance(60 * minuteMs);
		expect(vm.state).toBe("ready");
	});

	test("is healed by a re-hello", () => {
		const vm = idleVm();
		const { bootMs } = vm.context;
		vm.disconnect();
		vm.advance(200);
		vm.hello();
		expect(vm.state).toBe("idle");
		expect(vm.context).toMatchObject({ linked: true, unresponsive: false, bootMs });
	});

	test("of 15 s is silence, and a re-hello heals that too", () => {
		const vm = idleVm();
		vm.advance(10_000);
		vm.disconnect();
		vm.advance(14_999);
		expect(vm.context.unresponsive).toBe(false);
		vm.advance(1);
		expect(vm.context.unresponsive).toBe(true);
		vm.hello();
		expect(vm.state).toBe("idle");
	});

	test("lets no heartbeat through", () => {
		const vm = busyVm();
		vm.disconnect();
		vm.beat();
		expect([...vm.context.leases.keys()]).toEqual(["session:1"]);
	});

	test("of an earlier boot cuts nothing", () => {
		const vm = idleVm();
		vm.disconnect(0);
		expect(vm.context.linked).toBe(true);
	});
});

describe("a request to a vm that is not heard", () => {
	const unresponsive: Reason = {
		code: "Unresponsive",
		sentence: "its guest has not answered for 1 min",
		remedy: "qubes-lite stop --force shopping",
	};

	test("is refused as Unresponsive after bootTimeout", () => {
		const vm = busyVm();
		vm.advance(15_000);
		vm.run(1);
		vm.start(2);
		vm.advance(minuteMs - 1);
		expect(vm.answerTo(1)).toBeUndefined();
		vm.advance(1);
		expect(vm.answerTo(1)).toEqual(unresponsive);
		expect(vm.answerTo(2)).toEqual(unresponsive);
		expect(vm.state).toBe("ready");
	});

	test("is answered by the heartbeat that comes in time, and not refused later", () => {
		const vm = busyVm();
		vm.advance(15_000);
		vm.run(1);
		vm.start(2);
		vm.advance(30_000);
		vm.beat({ sessions: [1] });
		expect(vm.answerTo(1)).toBe("ready");
		expect(vm.answerTo(2)).toBe("ready");
		vm.beatFor(minuteMs, { sessions: [1] });
		expect(vm.state).toBe("ready");
	});

	test("is answered by the re-hello while the connection is down", () => {
		const vm = idleVm();
		vm.disconnect();
		vm.run(1);
		expect(vm.answerTo(1)).toBeUndefined();
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("and is withdrawn gets no answer", () => {
		const vm = busyVm();
		vm.advance(15_000);
		vm.run(1);
		vm.withdraw(1);
		vm.advance(minuteMs);
		vm.beat();
		expect(vm.answerTo(1)).toBeUndefined();
	});

	test("is refused with the reason when the vmm ends instead", () => {
		const vm = busyVm();
		vm.advance(15_000);
		vm.run(1);
		vm.exit(crash);
		expect(vm.answerTo(1)).toEqual(crash);
		vm.advance(2 * minuteMs);
		expect(vm.state).toBe("failed");
	});
});

describe("a vmm that ends by itself", () => {
	test("because the guest powered off stops the vm, and says so", () => {
		const vm = busyVm();
		vm.exit(null);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason).toEqual({ code: "Stopped", sentence: "the guest powered off" });
		expect(vm.context.leases.size).toBe(0);
		expect(vm.context).toMatchObject({ vmmAlive: false, linked: false });
		expect(vm.takeEffects()).toEqual(["releaseVmm"]);
	});

	test("in good order boots again for those who wait: a guest that powered off is no reason to lose a request", () => {
		const vm = busyVm();
		vm.disconnect();
		vm.run(1);
		vm.takeEffects();
		vm.exit(null);
		expect(vm.state).toBe("booting");
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 2"]);
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test.each([
		["busy", busyVm],
		["idle", idleVm],
	])("with a failure while %s fails the vm, with the reason", (_state, create) => {
		const vm = create();
		vm.exit(crash, { retriable: true });
		expect(vm.state).toBe("failed");
		expect(vm.context.reason).toEqual(crash);
		expect(vm.takeEffects()).toEqual(["releaseVmm"]);
	});

	test("was it of an earlier boot, ended long ago", () => {
		const vm = idleVm();
		vm.exit(crash, { boot: 0 });
		expect(vm.state).toBe("idle");
	});
});

describe("a heartbeat is no news", () => {
	test("to a vm at rest, idle or busy, that knows what it says", () => {
		expect(idleVm().isNoNews({})).toBe(true);
		const vm = busyVm();
		vm.beat({ sessions: [1], cgroups: [2], tickets: [3] });
		expect(vm.isNoNews({ sessions: [1], cgroups: [2], tickets: [3] })).toBe(true);
		for (const other of [{}, { sessions: [1], cgroups: [2, 4], tickets: [3] }, { sessions: [1, 5], cgroups: [2] }]) {
			expect(vm.isNoNews(other)).toBe(false);
		}
	});

	test("but it is to whoever waits for it, has lost it, or means another boot", () => {
		const waiting = idleVm();
		waiting.disconnect();
		expect(waiting.isNoNews({})).toBe(false);
		const silent = idleVm();
		silent.advance(15_000);
		expect(silent.isNoNews({})).toBe(false);
		const granted = new VmUnderTest();
		granted.run(1);
		granted.hello();
		granted.grant(1, 7);
		expect(granted.isNoNews({ sessions: [7] })).toBe(false);
		const vm = idleVm();
		expect(vm.isNoNews({ boot: vm.context.boot - 1 })).toBe(false);
		const settling = idleVm({ idleAction: "pause", idleTimeoutMs: 1_000 });
		settling.advance(1_000);
		expect(settling.step).toBe("idle.settling");
		expect(settling.isNoNews({})).toBe(false);
		const booting = new VmUnderTest();
		booting.run(1);
		expect(booting.isNoNews({})).toBe(false);
	});
});
