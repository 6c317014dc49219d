/** dependsOn: other vms are ready before this one boots, and it holds them for as long as it is up. */
import { describe, expect, test } from "vitest";
import type { Reason } from "../../src/statemachines/vm-events.ts";
import { crash, idleVm, VmUnderTest } from "./vm-harness.ts";

const failure: Reason = { code: "BootFailed", sentence: "net, which it depends on, did not become ready" };

function needingVm(): VmUnderTest {
	const vm = new VmUnderTest({ dependsOn: ["net"] });
	vm.run(1);
	expect(vm.step).toBe("booting.needing");
	expect(vm.takeEffects()).toEqual(["awaitDependencies"]);
	return vm;
}

describe("a vm that needs others", () => {
	test("is launched when they are ready, and has all of its bootTimeout from then on", () => {
		const vm = needingVm();
		vm.advance(300_000);
		expect(vm.takeEffects()).toEqual([]);
		expect(vm.context.phase).toBe("dependencies");
		vm.send({ type: "dependencies.ready", boot: 1 });
		expect(vm.context.phase).toBe("vmm");
		expect(vm.takeEffects()).toEqual(["launchVmm 1"]);
		vm.reach("init");
		vm.advance(59_999);
		expect(vm.state).toBe("booting");
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
		expect(vm.context.bootMs).toBe(59_999);
	});

	test("waits for them again when its boot is tried again, and has what is left of its bootTimeout", () => {
		const vm = needingVm();
		vm.send({ type: "dependencies.ready", boot: 1 });
		vm.reach("init");
		vm.advance(40_000);
		vm.exit(crash, { retriable: true });
		expect(vm.step).toBe("booting.needing");
		expect(vm.context.vmmAlive).toBe(false);
		vm.send({ type: "dependencies.ready", boot: 1 });
		expect(vm.step).toBe("booting.needing");
		vm.send({ type: "dependencies.ready", boot: 2 });
		expect(vm.takeEffects()).toEqual(["launchVmm 1", "releaseVmm", "awaitDependencies", "launchVmm 2"]);
		vm.advance(19_999);
		expect(vm.state).toBe("booting");
		vm.advance(1);
		expect(vm.answerTo(1)).toMatchObject({ code: "BootTimeout" });
	});

	test("fails with the reason of the one that can't be ready", () => {
		const vm = needingVm();
		vm.send({ type: "dependencies.failed", boot: 1, failure });
		expect(vm.state).toBe("failed");
		expect(vm.answerTo(1)).toEqual(failure);
		expect(vm.takeEffects()).toEqual([]);
		vm.run(2);
		expect(vm.step).toBe("booting.needing");
	});

	test("has not failed to boot itself, however often those that it needs have", () => {
		const vm = needingVm();
		for (let request = 2; request <= 5; request++) {
			vm.send({ type: "dependencies.failed", boot: vm.context.boot, failure });
			vm.run(request);
			expect(vm.step).toBe("booting.needing");
		}
		expect(vm.context.failedBoots).toBe(0);
	});

	test("is not launched for nobody", () => {
		const vm = needingVm();
		vm.withdraw(1);
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason?.sentence).toBe("nobody waited any more for the vms that it depends on");
		vm.send({ type: "dependencies.ready", boot: 1 });
		expect(vm.state).toBe("stopped");
	});

	test("can be stopped meanwhile, and who asks after that is served", () => {
		const vm = needingVm();
		vm.start(8);
		vm.stop();
		expect(vm.state).toBe("stopped");
		expect(vm.context.reason?.sentence).toBe("stopped by request");
		const sentence = "it was stopped by request before";
		expect(vm.answerTo(1)).toMatchObject({ code: "NotRunning", sentence: `${sentence} the command could run` });
		expect(vm.answerTo(8)).toMatchObject({ code: "NotRunning", sentence: `${sentence} it was ready` });
		vm.run(2);
		vm.advance(1_000);
		vm.run(3);
		vm.stop(false, vm.context.now() - 500);
		expect(vm.answerTo(2)).toMatchObject({ code: "NotRunning" });
		expect(vm.step).toBe("booting.needing");
	});

	test("whose configuration changes meanwhile waits for what it needs from then on", () => {
		const vm = needingVm();
		vm.configure({ dependsOn: ["proxy"] });
		expect(vm.step).toBe("booting.needing");
		expect(vm.takeEffects()).toEqual(["awaitDependencies"]);
		vm.send({ type: "dependencies.ready", boot: 1 });
		expect(vm.step).toBe("booting.needing");
		vm.configure({ dependsOn: [] });
		expect(vm.step).toBe("booting.waiting");
		expect(vm.takeEffects()).toEqual(["launchVmm 3"]);
	});

	test("does not take the answer that an earlier boot has waited for", () => {
		const vm = needingVm();
		vm.withdraw(1);
		vm.run(2);
		vm.send({ type: "dependencies.ready", boot: 1 });
		expect(vm.step).toBe("booting.needing");
	});
});

describe("a vm that others need", () => {
	test("is held by each of them, whatever its guest says, and is idle when they are gone", () => {
		const vm = idleVm();
		vm.send({ type: "dependant.came", vm: 7, label: "work" });
		vm.send({ type: "dependant.came", vm: 9, label: "mail" });
		vm.beatFor(3_600_000);
		expect(vm.state).toBe("ready");
		vm.send({ type: "dependant.went", vm: 7 });
		expect(vm.state).toBe("ready");
		vm.send({ type: "dependant.went", vm: 9 });
		expect(vm.state).toBe("idle");
	});
});

describe("an inhibitor", () => {
	test("keeps a vm from idling, from when it comes until it goes, and boots nothing", () => {
		const vm = new VmUnderTest();
		vm.send({ type: "inhibit.requested", inhibitor: 5, label: "rsync" });
		expect(vm.state).toBe("stopped");
		vm.start(1);
		vm.hello();
		vm.beatFor(3_600_000);
		expect(vm.state).toBe("ready");
		vm.send({ type: "inhibit.released", inhibitor: 5 });
		expect(vm.state).toBe("idle");
	});

	test("keeps nobody from stopping it who asks for that", () => {
		const vm = idleVm();
		vm.send({ type: "inhibit.requested", inhibitor: 5, label: "rsync" });
		vm.stop();
		expect(vm.step).toBe("shutdown.asking");
		vm.exit(null);
		expect(vm.state).toBe("stopped");
		expect(vm.context.leases.size).toBe(1);
	});
});
