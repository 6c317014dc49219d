import { describe, expect, test } from "vitest";
import { relinkMs } from "../../src/statemachines/vm-context.ts";
import { busyVm, crash, idleVm, VmUnderTest } from "./vm-harness.ts";

const stoppedByRequest = {
	code: "NotRunning",
	sentence: "it was stopped by request before the command could run",
	remedy: "qubes-lite start shopping",
};

function stoppingVm(): VmUnderTest {
	const vm = busyVm();
	vm.stop();
	vm.takeEffects();
	return vm;
}

describe("a shutdown", () => {
	test("asks the guest, then presses its power button, then tells the vmm, then kills it, each with its bound", () => {
		const vm = busyVm();
		vm.stop();
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.takeEffects()).toEqual(["askPoweroff"]);
		vm.advance(29_999);
		expect(vm.takeEffects()).toEqual([]);
		vm.advance(1);
		expect(vm.step).toBe("shutdown.pressing");
		expect(vm.takeEffects()).toEqual(["pressPowerButton"]);
		vm.advance(10_000);
		expect(vm.step).toBe("shutdown.terminating");
		expect(vm.takeEffects()).toEqual(["terminateVmm"]);
		vm.advance(5_000);
		expect(vm.step).toBe("shutdown.killing");
		expect(vm.takeEffects()).toEqual(["killVmm"]);
		vm.advance(9_999);
		expect(vm.state).toBe("shutdown");
		vm.exit(crash);
		expect(vm.state).toBe("stopped");
		expect(vm.takeEffects()).toEqual(["releaseVmm"]);
		expect(vm.context.reason).toEqual({ code: "Stopped", sentence: "stopped by request" });
	});

	test("that not even SIGKILL ends is a failed vm, with a look at the kernel as the remedy", () => {
		const vm = stoppingVm();
		vm.run(1);
		vm.advance(55_000);
		expect(vm.state).toBe("failed");
		expect(vm.context.vmmAlive).toBe(true);
		expect(vm.context.reason).toEqual({
			code: "BootFailed",
			sentence: "its vmm does not end, 10 s after SIGKILL",
			remedy: "look at the host's kernel log: journalctl -k",
		});
		expect(vm.answerTo(1)).toEqual(vm.context.reason);
		vm.exit(crash);
		expect(vm.context.vmmAlive).toBe(false);
		vm.run(2);
		expect(vm.state).toBe("booting");
	});

	test("of a guest that takes 20 s is let be", () => {
		const vm = stoppingVm();
		vm.advance(20_000);
		vm.disconnect();
		vm.exit(null);
		expect(vm.takeEffects()).toEqual(["releaseVmm"]);
		expect(vm.state).toBe("stopped");
	});

	test("of a guest that is not connected gives its agent a moment to dial again, and then asks it", () => {
		const vm = busyVm();
		vm.disconnect();
		vm.stop();
		expect(vm.step).toBe("shutdown.relinking");
		vm.takeEffects();
		vm.hello();
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.takeEffects()).toEqual(["askPoweroff"]);
	});

	test("asks again when the agent dials again, and puts off nothing by it", () => {
		const vm = stoppingVm();
		vm.advance(20_000);
		vm.disconnect();
		vm.hello();
		expect(vm.takeEffects()).toEqual(["askPoweroff"]);
		vm.hello({ boot: 0 });
		expect(vm.takeEffects()).toEqual([]);
		vm.advance(9_999);
		expect(vm.step).toBe("shutdown.asking");
		vm.advance(1);
		expect(vm.step).toBe("shutdown.pressing");
		vm.takeEffects();
		vm.hello();
		expect(vm.takeEffects()).toEqual(["askPoweroff"]);
		vm.advance(10_000);
		expect(vm.step).toBe("shutdown.terminating");
	});

	test("of a guest whose agent does not dial again presses the power button after that moment", () => {
		const vm = busyVm();
		vm.disconnect();
		vm.stop();
		vm.advance(relinkMs - 1);
		expect(vm.step).toBe("shutdown.relinking");
		vm.advance(1);
		expect(vm.step).toBe("shutdown.pressing");
	});

	test.each(["run", "start"] as const)("remembers a %s request, and boots again", (ask) => {
		const vm = stoppingVm();
		vm[ask](1);
		expect(vm.state).toBe("shutdown");
		vm.exit(null);
		expect(vm.state).toBe("booting");
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 2"]);
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("forgets a request that is withdrawn", () => {
		const vm = stoppingVm();
		vm.run(1);
		vm.withdraw(1);
		vm.exit(null);
		expect(vm.state).toBe("stopped");
		expect(vm.answerTo(1)).toBeUndefined();
	});

	test("because of idleness keeps that as its reason when somebody asks for a stop, too", () => {
		const vm = idleVm();
		vm.beatFor(600_000);
		vm.stop();
		vm.exit(null);
		expect(vm.context.reason?.sentence).toBe("idle for 10 min");
	});

	test("is not ended by the vmm of an earlier boot, nor by what its guest says", () => {
		const vm = stoppingVm();
		vm.exit(crash, { boot: 0 });
		vm.hello();
		vm.beat();
		vm.advance(20_000);
		expect(vm.step).toBe("shutdown.asking");
	});
});

describe("stop", () => {
	test.each([false, true])("of a stopped vm does nothing (force %s)", (force) => {
		const vm = new VmUnderTest();
		vm.stop(force);
		expect(vm.state).toBe("stopped");
		expect(vm.takeEffects()).toEqual([]);
	});

	test("of a booting vm refuses those who wait, and ends the vmm without asking in vain", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.start(2);
		vm.stop();
		expect(vm.step).toBe("shutdown.terminating");
		expect(vm.answerTo(1)).toEqual(stoppedByRequest);
		expect(vm.answerTo(2)).toEqual({ ...stoppedByRequest, sentence: "it was stopped by request before it was ready" });
	});

	test("of a booting vm keeps its own reason, also after a first attempt that failed", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(crash, { retriable: true });
		vm.stop();
		vm.exit(crash);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason).toEqual({ code: "Stopped", sentence: "stopped by request" });
	});

	test("of an idle vm and of a busy one asks the guest", () => {
		for (const vm of [idleVm(), busyVm()]) {
			vm.stop();
			expect(vm.step).toBe("shutdown.asking");
		}
	});

	test("refuses those who wait for a guest that is not heard", () => {
		const vm = busyVm();
		vm.advance(15_000);
		vm.run(1);
		vm.stop();
		expect(vm.answerTo(1)).toEqual(stoppedByRequest);
	});

	test("during a shutdown changes nothing but the fate of a remembered request", () => {
		const vm = stoppingVm();
		vm.run(1);
		vm.stop();
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.takeEffects()).toEqual([]);
		expect(vm.answerTo(1)).toEqual(stoppedByRequest);
		vm.advance(30_000);
		expect(vm.step).toBe("shutdown.pressing");
		vm.exit(null);
		expect(vm.state).toBe("stopped");
	});

	test("of a failed vm kills the vmm that was kept for a look", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.reach("root");
		vm.advance(60_000);
		vm.takeEffects();
		vm.stop();
		expect(vm.step).toBe("shutdown.killing");
		expect(vm.takeEffects()).toEqual(["killVmm"]);
		vm.exit(crash);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason?.code).toBe("BootTimeout");
	});

	test("of a failed vm whose vmm has ended makes it stopped", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(crash);
		vm.takeEffects();
		vm.stop();
		expect(vm.state).toBe("stopped");
		expect(vm.takeEffects()).toEqual([]);
	});

	test("of an adopted vm that is ready or booting ends it", () => {
		for (const saidHello of [true, false]) {
			const vm = new VmUnderTest({ adopted: { saidHello, ageMs: 0 } });
			vm.stop();
			expect(vm.state).toBe("shutdown");
			vm.exit(null);
			expect(vm.state).toBe("stopped");
		}
	});
});

describe("stop by force", () => {
	test.each([
		["booting", () => startedVm()],
		["ready", () => busyVm()],
		["idle", () => idleVm()],
		["shutdown", () => stoppingVm()],
	])("kills a vm that is %s at once", (state, create) => {
		const vm = create();
		expect(vm.state).toBe(state);
		vm.takeEffects();
		vm.stop(true);
		expect(vm.step).toBe("shutdown.killing");
		expect(vm.takeEffects()).toEqual(["killVmm"]);
		vm.exit(crash);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason?.sentence).toBe("stopped by request");
	});

	test("refuses those who wait", () => {
		const vm = startedVm();
		vm.stop(true);
		expect(vm.answerTo(1)).toEqual(stoppedByRequest);
		vm.run(2);
		vm.stop(true);
		expect(vm.answerTo(2)).toEqual(stoppedByRequest);
	});

	test("again and again does not put off the moment where a vmm counts as stuck", () => {
		const vm = busyVm();
		vm.stop(true);
		vm.advance(6_000);
		vm.stop(true);
		vm.advance(4_000);
		expect(vm.state).toBe("failed");
		expect(vm.takeEffects()).toEqual(["killVmm"]);
	});
});

function startedVm(): VmUnderTest {
	const vm = new VmUnderTest();
	vm.run(1);
	return vm;
}

describe("a stop that an earlier broker was asked for first", () => {
	test("refuses who asked before it, and lets wait who asked after it", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: true, ageMs: 1_000 } });
		const now = vm.context.now();
		vm.run(1, now - 30);
		vm.run(2, now - 10);
		vm.stop(false, now - 20);
		expect(vm.answerTo(1)).toEqual(stoppedByRequest);
		expect(vm.answerTo(2)).toBeUndefined();
		expect(vm.state).toBe("shutdown");
		vm.exit(null);
		expect(vm.step).toBe("booting.waiting");
		vm.hello();
		expect(vm.answerTo(2)).toBe("ready");
	});

	test.each([false, true])("does not end a boot for who asked after it, by force %s", (force) => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.stop(force, vm.context.now() - 1);
		expect(vm.state).toBe("booting");
		vm.hello();
		vm.stop(force, vm.context.now() - 1);
		expect(vm.state).toBe("ready");
		expect(vm.answerTo(1)).toBe("ready");
		expect(vm.takeEffects()).toEqual(["launchVmm 1"]);
	});

	test("ends a boot for who asked before it, and refuses of those who wait for that boot only them", () => {
		const vm = new VmUnderTest();
		const now = vm.context.now();
		vm.run(1, now - 2);
		vm.run(2);
		vm.stop(false, now - 1);
		expect(vm.step).toBe("shutdown.terminating");
		expect(vm.answerTo(1)).toEqual(stoppedByRequest);
		expect(vm.answerTo(2)).toBeUndefined();
	});

	test("is not taken for one of the future by a clock that differs", () => {
		const vm = new VmUnderTest();
		vm.run(1, vm.context.now() + 5_000);
		vm.stop();
		expect(vm.answerTo(1)).toEqual(stoppedByRequest);
	});
});
