/** Attachments are for a session of the boot that runs: they keep the vm as a run does, and never boot it. */
import { expect, test } from "vitest";
import { leasesOf } from "../../src/statemachines/leases.ts";
import { busyVm, crash, idleVm, VmUnderTest } from "./vm-harness.ts";

const notUp = { code: "NotRunning", sentence: "it is not up, and what ran in it has ended" };

test("cancels an idle stop, and holds the vm by a ticket until the guest reports the attachment", () => {
	const vm = idleVm();
	vm.attach(1);
	expect(vm.answerTo(1)).toBe("ready");
	expect(vm.state).toBe("ready");
	vm.grant(1, 7);
	expect(leasesOf(vm.context.leases, "ticket")).toMatchObject([{ session: 7, label: "attach to session 1" }]);
	vm.beat({ sessions: [7] });
	expect([...vm.context.leases.values()]).toMatchObject([{ kind: "session", id: 7, label: "attach to session 1" }]);
	vm.beat();
	expect(vm.state).toBe("idle");
});

test("keeps a disposable as its command did", () => {
	const vm = busyVm({ disposable: true });
	vm.attach(1);
	vm.beat();
	expect(vm.state).toBe("ready");
	vm.withdraw(1);
	vm.advance(0);
	expect(vm.step).toBe("shutdown.asking");
});

test("waits for a guest that is about to dial again, and no longer than a boot may take", () => {
	const vm = busyVm();
	vm.disconnect();
	vm.attach(1);
	expect(vm.answerTo(1)).toBeUndefined();
	vm.hello({ sessions: [1] });
	expect(vm.answerTo(1)).toBe("ready");
	vm.disconnect();
	vm.attach(2);
	vm.advance(60_000);
	expect(vm.answerTo(2)).toMatchObject({ code: "Unresponsive" });
});

test.each<[string, (vm: VmUnderTest) => void]>([
	["stopped", () => {}],
	["booting", (vm) => vm.run(2)],
	[
		"shutdown",
		(vm) => {
			vm.run(2);
			vm.stop();
		},
	],
	[
		"failed",
		(vm) => {
			vm.run(2);
			vm.exit(crash);
		},
	],
])("is refused at once where the vm is %s", (state, bring) => {
	const vm = new VmUnderTest();
	bring(vm);
	vm.takeEffects();
	vm.attach(1);
	expect(vm.answerTo(1)).toEqual(notUp);
	expect(vm.state).toBe(state);
	expect(vm.takeEffects()).toEqual([]);
});

test("does not wait for the next boot when the guest powers off, with or without others who do", () => {
	const alone = busyVm();
	alone.disconnect();
	alone.attach(1);
	alone.exit();
	expect(alone.answerTo(1)).toMatchObject({ sentence: "the guest powered off" });
	expect(alone.state).toBe("stopped");

	const together = busyVm();
	together.disconnect();
	together.attach(1);
	together.run(2);
	together.exit();
	expect(together.answerTo(1)).toEqual(notUp);
	expect(together.answerTo(2)).toBeUndefined();
	expect(together.state).toBe("booting");
});

test("is answered when a vm ends by a stop that was asked before it, and so did not refuse it", () => {
	for (const others of [false, true]) {
		const vm = busyVm();
		vm.disconnect();
		const before = vm.context.now();
		vm.advance(10);
		vm.attach(1);
		vm.send({ type: "stop.requested", force: false, askedAt: before });
		expect(vm.answerTo(1)).toBeUndefined();
		if (others) vm.run(2);
		vm.exit();
		expect(vm.answerTo(1)).toEqual(notUp);
		expect(vm.state).toBe(others ? "booting" : "stopped");
	}
});
