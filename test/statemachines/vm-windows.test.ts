/** The windows of a vm's programs on the host: each of them keeps it. */
import { expect, test } from "vitest";
import { idleVm, type VmUnderTest } from "./vm-harness.ts";

const show = (vm: VmUnderTest, ...ids: number[]) =>
	vm.send({
		type: "windows.changed",
		boot: vm.context.boot,
		windows: ids.map((id) => ({ id, label: `[shopping] ${id}` })),
	});

test("a window keeps a vm that runs nothing else, and its end starts the countdown", () => {
	const vm = idleVm({ idleTimeoutMs: 600_000 });
	show(vm, 1);
	vm.beatFor(3_600_000);
	expect(vm.state).toBe("ready");
	show(vm);
	expect(vm.state).toBe("idle");
	vm.beatFor(599_000);
	expect(vm.state).toBe("idle");
	vm.beatFor(1_000);
	expect(vm.step).toBe("shutdown.asking");
});

test("a disposable ends with its last window", () => {
	const vm = idleVm({ disposable: true });
	show(vm, 1, 2);
	show(vm, 2);
	expect(vm.state).toBe("ready");
	show(vm);
	vm.advance(0);
	expect(vm.step).toBe("shutdown.asking");
});

test("a window that stays keeps its age, and gets its new title", () => {
	const vm = idleVm();
	show(vm, 1);
	const [before] = vm.context.leases.values();
	vm.advance(1_000);
	vm.send({ type: "windows.changed", boot: vm.context.boot, windows: [{ id: 1, label: "[shopping] Maps" }] });
	expect([...vm.context.leases.values()]).toEqual([{ ...before, label: "[shopping] Maps" }]);
});

test("windows end with their vmm, and what is told of them later holds nothing", () => {
	const vm = idleVm();
	show(vm, 1);
	vm.exit(null);
	expect(vm.context.leases.size).toBe(0);
	show(vm, 1);
	expect([vm.state, vm.context.leases.size]).toEqual(["stopped", 0]);
});

test("windows of an earlier boot are nobody's", () => {
	const vm = idleVm();
	vm.send({ type: "windows.changed", boot: vm.context.boot - 1, windows: [{ id: 1, label: "[shopping] Maps" }] });
	expect(vm.state).toBe("idle");
});
