/** A vm that somebody else starts and stops: systemctl, or a login. */
import { describe, expect, test } from "vitest";
import { crash, idleVm, VmUnderTest } from "./vm-harness.ts";

describe("a vmm that somebody else has started", () => {
	test("is taken in, becomes ready at its hello, and is idle as any other", () => {
		const vm = new VmUnderTest();
		vm.send({ type: "vmm.appeared" });
		expect(vm.step).toBe("booting.waiting");
		expect(vm.takeEffects()).toEqual(["takeVmm"]);
		vm.hello();
		expect(vm.state).toBe("idle");
	});

	test("serves who asks meanwhile, without another launch", () => {
		const vm = new VmUnderTest();
		vm.send({ type: "vmm.appeared" });
		vm.run(1);
		vm.hello();
		expect(vm.takeEffects()).toEqual(["takeVmm"]);
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("is taken in after a failure, but not beside a vmm that is still up", () => {
		const failed = new VmUnderTest();
		failed.run(1);
		failed.exit(crash);
		failed.exit(crash);
		expect(failed.state).toBe("failed");
		failed.send({ type: "vmm.appeared" });
		expect(failed.state).toBe("booting");

		const slow = new VmUnderTest();
		slow.send({ type: "start.requested", request: 1 });
		slow.advance(60_000);
		expect([slow.state, slow.context.vmmAlive]).toEqual(["failed", true]);
		slow.send({ type: "vmm.appeared" });
		expect(slow.state).toBe("failed");
	});

	test("that somebody else stops has that as its reason", () => {
		const vm = idleVm();
		vm.send({ type: "stop.requested", force: false, by: "systemd" });
		expect(vm.state).toBe("shutdown");
		vm.exit(null);
		expect(vm.context.reason).toEqual({
			code: "Stopped",
			sentence: "stopped by systemd (systemctl stop, or the end of the login)",
		});
	});
});
