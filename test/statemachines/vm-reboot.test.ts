/** rebootAction: what becomes of a vm whose guest reboots. */
import { describe, expect, test } from "vitest";
import { idleVm, VmUnderTest } from "./vm-harness.ts";

const options = { rebootAction: "restart" } as const;
const rebooted = { rebooted: true };

describe("a guest that reboots", () => {
	test("has stopped, unless its configuration says otherwise, and the reason is its own", () => {
		const vm = idleVm();
		vm.exit(null, rebooted);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason).toEqual({ code: "Stopped", sentence: "the guest rebooted" });
	});

	test("boots again for nobody but itself, and is idle from then on", () => {
		const vm = idleVm(options);
		vm.advance(100_000);
		vm.exit(null, rebooted);
		expect(vm.state).toBe("booting");
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 2"]);
		vm.hello();
		expect(vm.state).toBe("idle");
		expect(vm.context.idleSince).toBe(vm.clock.now());
	});

	test("is another boot for who waits, in any case, and whoever is attached hears of it", () => {
		for (const rebootAction of ["stop", "restart"] as const) {
			const vm = idleVm({ rebootAction });
			vm.disconnect();
			vm.run(1);
			vm.exit(null, rebooted);
			expect(vm.state).toBe("booting");
			vm.hello();
			expect(vm.answerTo(1)).toBe("ready");
		}
	});

	test("twice within a minute is let be: it does so in a circle", () => {
		const vm = idleVm(options);
		vm.exit(null, rebooted);
		vm.advance(59_000);
		vm.hello();
		vm.exit(null, rebooted);
		expect(vm.state).toBe("stopped");
		vm.run(1);
		vm.hello();
		vm.exit(null, rebooted);
		expect(vm.state).toBe("booting");
		vm.hello();
		vm.advance(60_000);
		vm.exit(null, rebooted);
		expect(vm.state).toBe("booting");
	});

	test("is gone where it is a disposable", () => {
		const vm = idleVm({ ...options, disposable: true });
		vm.exit(null, rebooted);
		expect(vm.state).toBe("stopped");
	});

	test("has failed where it reboots instead of coming up", () => {
		const vm = new VmUnderTest(options);
		vm.run(1);
		vm.reach("init");
		vm.exit(null, rebooted);
		expect(vm.state).toBe("failed");
		expect(vm.answerTo(1)).toEqual({
			code: "BootFailed",
			sentence: "the guest rebooted while booting; reached init",
		});
	});

	test("as the last thing of a shutdown has shut down", () => {
		const vm = idleVm(options);
		vm.stop();
		vm.exit(null, rebooted);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason?.sentence).toBe("stopped by request");
	});

	test("is tried once more where its vmm ends in the new boot, and then has failed", () => {
		const vm = idleVm(options);
		vm.exit(null, rebooted);
		vm.exit({ code: "BootFailed", sentence: "its vmm crashed" }, { retriable: true });
		expect(vm.step).toBe("booting.waiting");
		vm.exit({ code: "BootFailed", sentence: "its vmm crashed" }, { retriable: true });
		expect(vm.state).toBe("failed");
		expect(vm.context.rebooted).toBe(false);
	});

	test("has the vms that it needs again first, and a stop is heeded meanwhile", () => {
		const reboot = (): VmUnderTest => {
			const vm = new VmUnderTest({ ...options, dependsOn: ["net"] });
			vm.run(1);
			vm.send({ type: "dependencies.ready", boot: 1 });
			vm.hello();
			vm.send({ type: "request.withdrawn", request: 1 });
			vm.exit(null, rebooted);
			expect(vm.step).toBe("booting.needing");
			return vm;
		};
		const vm = reboot();
		vm.send({ type: "dependencies.ready", boot: 2 });
		expect(vm.step).toBe("booting.waiting");
		const stopped = reboot();
		stopped.stop();
		expect(stopped.state).toBe("stopped");
	});
});
