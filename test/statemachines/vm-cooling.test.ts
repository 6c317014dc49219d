/** A vm that fails to boot again and again is let be for a while: a run is refused at once, with the reason. */
import { expect, test } from "vitest";
import { defaultLifecycle } from "../../src/config/lifecycle.ts";
import { crash, VmUnderTest } from "./vm-harness.ts";

/** Requests 1 to `times` each boot it, for nothing. */
function failingVm(times: number, options: object = {}): VmUnderTest {
	const vm = new VmUnderTest(options);
	for (let request = 1; request <= times; request++) {
		vm.run(request);
		vm.exit(crash);
	}
	return vm;
}

test("after three failed boots in a row a run is refused for 30 s, and then tries again", () => {
	const vm = failingVm(3);
	vm.takeEffects();
	vm.advance(10_000);
	vm.run(4);
	expect(vm.answerTo(4)).toEqual({
		code: "BootFailed",
		sentence:
			"it has failed to boot 3 times in a row (the last time: its vmm ended with status 1), and is let be for another 20 s",
		remedy: "qubes-lite start shopping   # tries at once",
	});
	expect(vm.state).toBe("failed");
	vm.advance(20_000);
	vm.run(5);
	expect(vm.takeEffects()).toEqual(["launchVmm 4"]);
	vm.exit(crash);
	vm.advance(59_999);
	vm.run(6);
	expect(vm.answerTo(6)).toMatchObject({ code: "BootFailed" });
	vm.advance(1);
	vm.run(7);
	expect(vm.state).toBe("booting");
});

test("what helps against the last failure is what helps now", () => {
	const vm = failingVm(2);
	vm.run(3);
	vm.exit({ ...crash, remedy: "qubes-lite doctor" });
	vm.run(4);
	expect(vm.answerTo(4)).toMatchObject({
		remedy: "qubes-lite doctor   # and then, to try at once: qubes-lite start shopping",
	});
});

test("two failed boots are no reason to refuse a third", () => {
	const vm = failingVm(2);
	vm.run(3);
	expect(vm.state).toBe("booting");
});

test("a start tries at once, and success forgets what was before", () => {
	const vm = failingVm(3);
	vm.start(4);
	expect(vm.state).toBe("booting");
	vm.hello();
	vm.exit(crash);
	vm.run(5);
	expect(vm.state).toBe("booting");
});

test("a changed configuration is a new chance", () => {
	const vm = failingVm(3);
	vm.configure({});
	vm.run(4);
	expect(vm.state).toBe("booting");
});

test("a vm that was stopped after its failures is let be all the same", () => {
	const vm = failingVm(3);
	vm.stop();
	expect(vm.state).toBe("stopped");
	vm.run(4);
	expect(vm.answerTo(4)).toMatchObject({ code: "BootFailed" });
	expect(vm.state).toBe("stopped");
});

test("a boot that was too slow counts, of a disposable too", () => {
	for (const disposable of [false, true]) {
		const vm = new VmUnderTest({ disposable });
		for (let request = 1; request <= 3; request++) {
			vm.run(request);
			vm.reach("init");
			vm.advance(60_000);
			vm.exit(crash);
			expect(vm.answerTo(request)).toMatchObject({ code: "BootTimeout" });
		}
		vm.run(4);
		expect(vm.answerTo(4)).toMatchObject({ code: "BootFailed" });
	}
});

test("a vm whose late boots were slow gets twice their time", () => {
	const vm = new VmUnderTest({ slowestBootMs: () => 50_000 });
	vm.run(1);
	vm.reach("init");
	vm.advance(99_999);
	expect(vm.state).toBe("booting");
	vm.advance(1);
	expect(vm.answerTo(1)).toMatchObject({ code: "BootTimeout", sentence: "no hello within 1 min 40 s; reached init" });
});

test("a vm that another one needs is let be, too: nobody has asked for it in person", () => {
	for (const stopped of [false, true]) {
		const vm = failingVm(3);
		if (stopped) vm.stop();
		vm.send({ type: "start.requested", request: 4, forOther: true });
		expect(vm.answerTo(4)).toMatchObject({ code: "BootFailed" });
		vm.start(5);
		expect(vm.state).toBe("booting");
	}
});

test("boots that failed under an earlier broker count as this one's do, and no longer", () => {
	const failures = { boots: 3, since: 5_990_000 };
	const vm = new VmUnderTest({ failures, lastEnd: { reason: crash, since: 5_990_000 } });
	vm.run(1);
	expect(vm.answerTo(1)).toMatchObject({
		sentence:
			"it has failed to boot 3 times in a row (the last time: its vmm ended with status 1), and is let be for another 20 s",
	});
	vm.advance(20_000);
	vm.run(2);
	vm.exit(crash);
	vm.advance(59_999);
	vm.run(3);
	expect(vm.answerTo(3)).toMatchObject({ code: "BootFailed" });
	vm.advance(1);
	vm.run(4);
	expect(vm.state).toBe("booting");
});

test("an adopted boot that has failed already is not counted twice", () => {
	const failures = { boots: 3, since: 990_000 };
	for (const [ageMs, failedBoots] of [
		[70_000, 3],
		[9_000, 4],
	] as const) {
		const vm = new VmUnderTest({ failures, adopted: { saidHello: false, ageMs } });
		vm.advance(60_000);
		expect(vm.state).toBe("failed");
		expect(vm.context.failedBoots).toBe(failedBoots);
	}
});

test("what has only been set, or is over, is no new chance", () => {
	const vm = failingVm(3);
	vm.send({ type: "settings.changed", ...defaultLifecycle, idleTimeoutMs: 1 });
	vm.run(4);
	expect(vm.answerTo(4)).toMatchObject({ code: "BootFailed" });
	expect(vm.context.idleTimeoutMs).toBe(1);
});
