import { describe, expect, test } from "vitest";
import type { Reason } from "../../src/statemachines/vm-events.ts";
import { crash, VmUnderTest } from "./vm-harness.ts";

describe("a vmm that exits during boot", () => {
	const second: Reason = { code: "BootFailed", sentence: "its vmm ended with status 2" };

	test("is started once more, within the same deadline", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.reach("init");
		vm.advance(40_000);
		vm.exit(crash, { retriable: true });
		expect(vm.takeEffects()).toEqual(["launchVmm 1", "releaseVmm", "launchVmm 2"]);
		expect(vm.context).toMatchObject({ attempt: 2, phase: "vmm", vmmAlive: true, reason: null });
		vm.advance(19_999);
		expect(vm.state).toBe("booting");
		vm.advance(1);
		expect(vm.answerTo(1)).toMatchObject({ code: "BootTimeout" });
	});

	test("and comes up the second time has nothing to complain of", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(crash, { retriable: true });
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
		vm.exit(second);
		expect(vm.context.reason).toEqual(second);
	});

	test("twice refuses those who wait, with the first reason", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(crash, { retriable: true });
		vm.run(2);
		vm.exit(second, { retriable: true });
		expect(vm.state).toBe("failed");
		expect(vm.answerTo(1)).toEqual(crash);
		expect(vm.answerTo(2)).toEqual(crash);
		expect(vm.takeEffects()).toEqual(["launchVmm 1", "releaseVmm", "launchVmm 2", "releaseVmm"]);
	});

	test("in a later boot has its own first reason and its own retry", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(crash, { retriable: true });
		vm.exit(crash, { retriable: true });
		vm.run(2);
		vm.exit(second, { retriable: true });
		expect(vm.state).toBe("booting");
		vm.exit(crash, { retriable: true });
		expect(vm.answerTo(2)).toEqual(second);
	});

	test("in a way that another start can't heal refuses at once", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(crash);
		expect(vm.answerTo(1)).toEqual(crash);
		expect(vm.takeEffects()).toEqual(["launchVmm 1", "releaseVmm"]);
	});

	test("is not started again for nobody", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.withdraw(1);
		vm.exit(crash, { retriable: true });
		expect(vm.state).toBe("failed");
		expect(vm.context.reason).toEqual(crash);
	});

	test("in good order, because the guest powered off, is a failed boot with its phase", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.reach("init");
		vm.exit(null);
		expect(vm.answerTo(1)).toEqual({
			code: "BootFailed",
			sentence: "the guest powered off while booting; reached init",
		});
		expect(vm.state).toBe("failed");
	});

	test("and then powers off in good order still has its first reason", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(crash, { retriable: true });
		vm.exit(null);
		expect(vm.answerTo(1)).toEqual(crash);
	});

	test("in good order twice names the power-off", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.exit(null, { retriable: true });
		vm.exit(null, { retriable: true });
		expect(vm.answerTo(1)).toMatchObject({ sentence: "the guest powered off while booting; reached kernel" });
	});
});

describe("a kernel that says nothing", () => {
	const silent = "its kernel said nothing for 30 s";

	test("is killed at half the deadline, and started once more", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.advance(29_999);
		expect(vm.takeEffects()).toEqual(["launchVmm 1"]);
		vm.advance(1);
		expect(vm.takeEffects()).toEqual(["killVmm"]);
		vm.exit(crash, { retriable: true });
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 2"]);
		vm.advance(29_999);
		expect(vm.takeEffects()).toEqual([]);
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("is the reason, not the signal that we sent", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.advance(30_000);
		vm.exit(crash, { retriable: true });
		vm.exit(crash, { retriable: true });
		expect(vm.answerTo(1)).toEqual({ code: "BootFailed", sentence: silent });
	});

	test("in the second start too is a timeout, as for everybody else at the deadline", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.advance(30_000);
		vm.exit(crash, { retriable: true });
		vm.advance(30_000);
		expect(vm.answerTo(1)).toEqual({ code: "BootTimeout", sentence: "no hello within 1 min; reached kernel" });
	});

	test("is not looked for in the second start, which has what is left of the deadline", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.advance(10_000);
		vm.exit(crash, { retriable: true });
		vm.takeEffects();
		vm.advance(49_999);
		expect(vm.takeEffects()).toEqual([]);
		expect(vm.state).toBe("booting");
	});

	test("is told from a slow one: a boot that reached init is left alone", () => {
		const vm = new VmUnderTest();
		vm.run(1);
		vm.reach("init");
		vm.advance(59_999);
		expect(vm.takeEffects()).toEqual(["launchVmm 1"]);
	});
});
