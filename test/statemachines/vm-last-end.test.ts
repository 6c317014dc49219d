/** How a vm ended under an earlier broker is its reason until it boots again. */
import { expect, test } from "vitest";
import { crash, VmUnderTest } from "./vm-harness.ts";

const lastEnd = { reason: crash, since: -7_000 };

test("a stopped vm has the reason of its last end, and is stopped since then; a boot ends that", () => {
	const vm = new VmUnderTest({ lastEnd });
	expect(vm.state).toBe("stopped");
	expect(vm.context).toMatchObject({ reason: crash, since: -7_000 });
	vm.run(1);
	expect(vm.context.reason).toBeNull();
	expect(vm.context.since).toBe(vm.context.now());
	vm.stop();
	vm.exit();
	expect(vm.state).toBe("stopped");
	expect(vm.context).toMatchObject({ reason: { sentence: "stopped by request" }, since: vm.context.now() });
});

test("a vm that runs has none", () => {
	const vm = new VmUnderTest({ lastEnd, adopted: { saidHello: true, ageMs: 1_000 } });
	expect(vm.context.reason).toBeNull();
});
