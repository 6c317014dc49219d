import { describe, expect, test } from "vitest";
import { crash, VmUnderTest } from "./vm-harness.ts";

const minuteMs = 60_000;

describe("a vmm that an earlier broker left", () => {
	test("is ready without a hello when its agent had said one, and busy until the next", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: true, ageMs: 3 * 60 * minuteMs } });
		expect(vm.state).toBe("ready");
		expect(vm.takeEffects()).toEqual([]);
		vm.run(1);
		expect(vm.answerTo(1)).toBeUndefined();
		vm.hello({ sessions: [4] });
		expect(vm.answerTo(1)).toBe("ready");
		expect([...vm.context.leases.keys()]).toEqual(["session:4", "ticket:1"]);
	});

	test("does not pass its age for the duration of its boot", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: true, ageMs: 3 * 60 * minuteMs } });
		vm.hello();
		expect(vm.context.bootMs).toBeNull();
		vm.exit();
		vm.start(1);
		vm.advance(1_500);
		vm.hello();
		expect(vm.context.bootMs).toBe(1_500);
	});

	test("becomes unresponsive when its agent does not dial again", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: true, ageMs: 0 } });
		vm.run(1);
		vm.advance(15_000);
		expect(vm.context.unresponsive).toBe(true);
		vm.advance(minuteMs);
		expect(vm.answerTo(1)).toMatchObject({ code: "Unresponsive" });
		vm.hello();
		expect(vm.state).toBe("idle");
	});

	test("goes on booting without an earlier hello, with what is left of the deadline", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: false, ageMs: 20_000 } });
		expect(vm.state).toBe("booting");
		vm.run(1);
		vm.advance(39_999);
		expect(vm.answerTo(1)).toBeUndefined();
		vm.advance(1);
		expect(vm.answerTo(1)).toMatchObject({ code: "BootTimeout" });
		expect(vm.takeEffects()).toEqual([]);
	});

	test("has 5 s for its hello however old it is", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: false, ageMs: 60 * minuteMs } });
		vm.advance(4_999);
		expect(vm.state).toBe("booting");
		vm.hello();
		expect(vm.state).toBe("idle");
		expect(vm.context.bootMs).toBe(60 * minuteMs + 4_999);
	});

	test("is booted anew, with a whole deadline, when it has ended", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: false, ageMs: 60 * minuteMs } });
		vm.exit(crash);
		expect(vm.state).toBe("failed");
		vm.run(1);
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 1"]);
		vm.reach("init");
		vm.advance(minuteMs - 1);
		expect(vm.state).toBe("booting");
		vm.advance(1);
		expect(vm.answerTo(1)).toMatchObject({ code: "BootTimeout" });
	});

	test("is started once more when it ends during its boot and somebody waits", () => {
		const vm = new VmUnderTest({ adopted: { saidHello: false, ageMs: 10_000 } });
		vm.run(1);
		vm.exit(crash, { retriable: true });
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 1"]);
		vm.advance(50_000);
		expect(vm.answerTo(1)).toMatchObject({ code: "BootTimeout" });
	});

	test("and is a disposable waits for who has a ticket and has not shown it yet", () => {
		const vm = new VmUnderTest({ disposable: true, adopted: { saidHello: true, ageMs: minuteMs } });
		vm.hello({ tickets: [1] });
		vm.beatFor(30_000, { tickets: [1] });
		expect(vm.state).toBe("ready");
		vm.beat();
		vm.advance(0);
		expect(vm.state).toBe("shutdown");
	});

	test("and is a disposable that was used, and is no more, stops at its agent's hello", () => {
		const vm = new VmUnderTest({ disposable: true, adopted: { saidHello: true, ageMs: minuteMs } });
		vm.hello({ wasUsed: true });
		vm.advance(0);
		expect(vm.state).toBe("shutdown");
	});

	test("and is a disposable that was only started waits for its first command, as under one broker", () => {
		const vm = new VmUnderTest({ disposable: true, adopted: { saidHello: true, ageMs: 1_000 } });
		vm.hello();
		vm.beatFor(minuteMs - 1);
		expect(vm.state).toBe("idle");
		vm.advance(1);
		expect(vm.state).toBe("shutdown");
	});
});
