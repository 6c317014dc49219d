/** The configuration changes under a vm: what holds from then on, and what has begun already. */
import { expect, test } from "vitest";
import { busyVm, idleVm, VmUnderTest } from "./vm-harness.ts";

const minuteMs = 60_000;

test("a shorter idleTimeout counts from the same idle-since", () => {
	const vm = idleVm({ idleTimeoutMs: 10 * minuteMs });
	vm.beatFor(2 * minuteMs);
	vm.configure({ idleTimeoutMs: 3 * minuteMs });
	vm.beatFor(minuteMs - 1);
	expect(vm.state).toBe("idle");
	vm.advance(1);
	expect(vm.step).toBe("shutdown.asking");
	expect(vm.context.reason?.sentence).toBe("idle for 3 min");
});

test("an idleTimeout that is over already ends the vm at once", () => {
	const vm = idleVm({ idleTimeoutMs: 10 * minuteMs });
	vm.beatFor(2 * minuteMs);
	vm.configure({ idleTimeoutMs: minuteMs });
	vm.advance(0);
	expect(vm.step).toBe("shutdown.asking");
});

test("a longer idleTimeout, or none, keeps it", () => {
	const vm = idleVm({ idleTimeoutMs: 10 * minuteMs });
	vm.beatFor(9 * minuteMs);
	vm.configure({ idleTimeoutMs: 20 * minuteMs });
	vm.beatFor(10 * minuteMs);
	expect(vm.state).toBe("idle");
	vm.configure({ idleTimeoutMs: 0 });
	vm.beatFor(60 * minuteMs);
	expect(vm.state).toBe("idle");
	expect(vm.takeEffects()).toEqual([]);
});

test("a change leaves no timer of the old settings behind", () => {
	const vm = idleVm();
	const { pending } = vm.clock;
	for (let round = 1; round <= 10; round++) vm.configure({ idleTimeoutMs: round * minuteMs });
	expect(vm.clock.pending).toBe(pending);
});

test("a vm in use becomes a disposable, and ends with its last command", () => {
	const vm = busyVm();
	vm.configure({ disposable: true });
	vm.beatFor(minuteMs, { sessions: [1] });
	expect(vm.state).toBe("ready");
	vm.beat();
	vm.advance(0);
	expect(vm.step).toBe("shutdown.asking");
	expect(vm.context.reason?.sentence).toBe("its last command ended, and it is disposable");
});

test("a boot gets the time of a longer bootTimeout, counted from its beginning", () => {
	const vm = new VmUnderTest({ bootTimeoutMs: 60_000 });
	vm.run(1);
	vm.reach("init");
	vm.advance(40_000);
	vm.configure({ bootTimeoutMs: 90_000 });
	vm.advance(49_999);
	expect(vm.state).toBe("booting");
	vm.advance(1);
	expect(vm.state).toBe("failed");
	expect(vm.context.reason?.sentence).toBe("no hello within 1 min 30 s; reached init");
});

test("a boot that a shorter bootTimeout leaves no time has failed", () => {
	const vm = new VmUnderTest({ bootTimeoutMs: 60_000 });
	vm.run(1);
	vm.reach("init");
	vm.advance(40_000);
	vm.configure({ bootTimeoutMs: 30_000 });
	vm.advance(0);
	expect(vm.state).toBe("failed");
});

test("a stopped vm takes the settings to its next boot", () => {
	const vm = new VmUnderTest({ idleTimeoutMs: 0 });
	vm.configure({ idleTimeoutMs: minuteMs, bootTimeoutMs: 5_000 });
	vm.start(1);
	vm.advance(4_999);
	vm.hello();
	vm.beatFor(minuteMs);
	expect(vm.step).toBe("shutdown.asking");
});
