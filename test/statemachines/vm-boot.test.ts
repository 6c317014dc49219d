import { describe, expect, test } from "vitest";
import type { Reason } from "../../src/statemachines/vm-events.ts";
import { crash, VmUnderTest } from "./vm-harness.ts";

describe("a boot", () => {
	test("serves everybody who asks for the vm meanwhile: one vmm", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.run(2);
		vm.start(3);
		expect(vm.state).toBe("booting");
		expect([1, 2, 3].map((request) => vm.answerTo(request))).toEqual([undefined, undefined, undefined]);
		vm.hello();
		expect([1, 2, 3].map((request) => vm.answerTo(request))).toEqual(["ready", "ready", "ready"]);
		expect(vm.takeEffects()).toEqual(["launchVmm 1"]);
		expect(vm.state).toBe("ready");
	});

	test("is over with the guest's hello, however far the phases came", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.advance(1_400);
		vm.reach("agent");
		expect(vm.state).toBe("booting");
		vm.advance(100);
		vm.hello();
		expect(vm.state).toBe("ready");
		expect(vm.context.bootMs).toBe(1_500);
	});

	test("has its own duration, not that of the boot before", () => {
		const vm = new VmUnderTest();
		for (const bootMs of [1_500, 700]) {
			vm.run(bootMs);
			vm.advance(bootMs);
			vm.hello();
			expect(vm.context.bootMs).toBe(bootMs);
			vm.exit();
		}
	});

	test("of an earlier time tells this one nothing: its late events are dropped", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(crash);
		vm.run(2);
		expect(vm.context.boot).toBe(2);
		vm.reach("agent", 1);
		vm.hello({ boot: 1, sessions: [1] });
		vm.exit(crash, { boot: 1 });
		expect(vm.state).toBe("booting");
		expect(vm.context.phase).toBe("vmm");
		expect(vm.answerTo(2)).toBeUndefined();
		vm.hello();
		vm.disconnect(1);
		vm.beat({ boot: 1, sessions: [7] });
		expect(vm.context.linked).toBe(true);
		expect([...vm.context.leases.keys()]).toEqual(["ticket:2"]);
	});

	test("goes on for a vm when the only one who asked leaves", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.withdraw(1);
		vm.hello();
		expect(vm.state).toBe("idle");
		expect(vm.answerTo(1)).toBeUndefined();
	});
});

describe("the boot of a disposable", () => {
	test("ends when nobody waits for it any more", () => {
		const vm = new VmUnderTest({ disposable: true });
		vm.run(1);
		vm.run(2);
		vm.withdraw(1);
		expect(vm.state).toBe("booting");
		vm.withdraw(2);
		expect(vm.step).toBe("shutdown.terminating");
		vm.exit(null);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason).toEqual({
			code: "Stopped",
			sentence: "nobody waits for its boot any more, and it is disposable",
		});
	});

	test("goes on for a start request", () => {
		const vm = new VmUnderTest({ disposable: true });
		vm.start(1);
		vm.run(2);
		vm.withdraw(2);
		vm.withdraw(77);
		expect(vm.state).toBe("booting");
		vm.withdraw(1);
		expect(vm.state).toBe("booting");
	});

	test("that nobody waited for is booted again for who asks during its end", () => {
		const vm = new VmUnderTest({ disposable: true });
		vm.run(1);
		vm.withdraw(1);
		vm.run(2);
		vm.exit(crash);
		expect(vm.state).toBe("booting");
		vm.hello();
		expect(vm.answerTo(2)).toBe("ready");
	});
});

describe("the boot deadline", () => {
	const timedOut: Reason = { code: "BootTimeout", sentence: "no hello within 1 min; reached init" };

	test("fails those who wait, with the phase, and keeps the vmm for a look", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.start(2);
		vm.reach("root");
		vm.advance(59_999);
		expect(vm.state).toBe("booting");
		vm.advance(1);
		expect(vm.state).toBe("failed");
		expect(vm.answerTo(1)).toEqual(timedOut);
		expect(vm.answerTo(2)).toEqual(timedOut);
		expect(vm.context.reason).toEqual(timedOut);
		expect(vm.context.vmmAlive).toBe(true);
		expect(vm.takeEffects()).toEqual(["launchVmm 1"]);
	});

	test("kills the vmm of a disposable", () => {
		const vm = new VmUnderTest({ disposable: true });
		vm.run(1);
		vm.reach("root");
		vm.advance(60_000);
		expect(vm.answerTo(1)).toEqual(timedOut);
		expect(vm.step).toBe("shutdown.killing");
		vm.exit(crash);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason).toEqual(timedOut);
		expect(vm.takeEffects()).toEqual(["launchVmm 1", "killVmm", "releaseVmm"]);
	});

	test("counts from each boot's own beginning", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.advance(50_000);
		vm.exit(crash);
		vm.advance(3_600_000);
		vm.run(2);
		vm.reach("root");
		vm.advance(59_999);
		expect(vm.state).toBe("booting");
		vm.advance(1);
		expect(vm.answerTo(2)).toEqual(timedOut);
	});

	test("does not hold for the vm that it has become: a late hello makes it ready", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.reach("root");
		vm.advance(60_000);
		vm.reach("agent");
		expect(vm.context.phase).toBe("agent");
		vm.advance(30_000);
		vm.hello({ boot: 0 });
		expect(vm.state).toBe("failed");
		vm.hello();
		expect(vm.state).toBe("idle");
		expect(vm.context.reason).toBeNull();
		expect(vm.context.bootMs).toBe(90_000);
		expect(vm.answerTo(1)).toEqual(timedOut);
	});
});

describe("a failed vm", () => {
	function failedVm(): VmUnderTest {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.reach("root");
		vm.advance(60_000);
		vm.takeEffects();
		return vm;
	}

	test.each(["run", "start"] as const)("whose vmm lives is killed first, then booted, for a new %s request", (ask) => {
		const vm = failedVm();
		vm[ask](2);
		expect(vm.step).toBe("shutdown.killing");
		expect(vm.takeEffects()).toEqual(["killVmm"]);
		vm.exit(crash);
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 2"]);
		vm.hello();
		expect(vm.answerTo(2)).toBe("ready");
	});

	test.each(["run", "start"] as const)("whose vmm ended boots at once for a new %s request", (ask) => {
		const vm = failedVm();
		vm.exit(crash);
		expect(vm.state).toBe("failed");
		expect(vm.context.vmmAlive).toBe(false);
		vm[ask](2);
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 2"]);
		expect(vm.context.reason).toBeNull();
	});

	test("whose vmm ended is not healed by a hello that was under way", () => {
		const vm = failedVm();
		vm.exit(crash);
		vm.hello();
		expect(vm.state).toBe("failed");
	});
});
