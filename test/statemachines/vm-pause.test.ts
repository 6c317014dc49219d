/** idleAction "pause": a vm that is idle is paused, resumed for whoever comes, and stopped after pauseTimeout. */
import { describe, expect, test } from "vitest";
import { hearMs, listenMs, quietMs } from "../../src/statemachines/vm-context.ts";
import { idleVm, VmUnderTest } from "./vm-harness.ts";

const minuteMs = 60_000;
const options = { idleTimeoutMs: 10 * minuteMs, idleAction: "pause", pauseTimeoutMs: 60 * minuteMs } as const;

const paused = (vm: VmUnderTest) => vm.send({ type: "vmm.paused", boot: vm.context.boot });
/** Its guest beats at once. */
function resumed(vm: VmUnderTest): void {
	vm.send({ type: "vmm.resumed", boot: vm.context.boot });
	vm.beat();
}
const unpausable = (vm: VmUnderTest) => vm.send({ type: "vmm.unpausable", boot: vm.context.boot });

/** Ten minutes, in which its guest beats, and the moment after the last one. */
function settle(vm: VmUnderTest): void {
	vm.beatFor(10 * minuteMs);
	vm.advance(quietMs);
}

function pausingVm(changes: object = {}): VmUnderTest {
	const vm = idleVm({ ...options, ...changes });
	settle(vm);
	expect(vm.step).toBe("idle.pausing");
	expect(vm.takeEffects()).toEqual(["pauseVmm"]);
	return vm;
}

function pausedVm(changes: object = {}): VmUnderTest {
	const vm = pausingVm(changes);
	paused(vm);
	expect(vm.step).toBe("idle.paused");
	return vm;
}

describe("a vm that is idle for its idleTimeout", () => {
	test("is paused, without a warning, and nobody misses its heartbeats", () => {
		const vm = pausedVm();
		expect(vm.context).toMatchObject({ paused: true, reason: null });
		vm.advance(59 * minuteMs);
		expect(vm.step).toBe("idle.paused");
		expect(vm.context.unresponsive).toBe(false);
		expect(vm.takeEffects()).toEqual([]);
	});

	test("is not paused before its guest has beaten, and nothing more has come for a moment", () => {
		const vm = idleVm(options);
		vm.beatFor(10 * minuteMs - 1_000);
		vm.advance(4_000);
		expect(vm.step).toBe("idle.settling");
		vm.beat();
		expect(vm.step).toBe("idle.settled");
		vm.advance(quietMs - 1);
		vm.beat();
		vm.advance(quietMs - 1);
		expect(vm.takeEffects()).toEqual([]);
		vm.advance(1);
		expect(vm.takeEffects()).toEqual(["pauseVmm"]);
	});

	test.each(["idle.settling", "idle.settled"])("serves at once who comes in %s", (step) => {
		for (const act of ["run", "start", "session", "settings"]) {
			const vm = idleVm(options);
			vm.beatFor(10 * minuteMs - 1_000);
			vm.advance(4_000);
			if (step === "idle.settled") vm.beat();
			expect(vm.step).toBe(step);
			if (act === "run") vm.run(1);
			if (act === "start") vm.start(1);
			if (act === "session") vm.beat({ sessions: [7] });
			if (act === "settings") vm.configure({ idleTimeoutMs: 60 * minuteMs });
			if (act === "run" || act === "start") expect(vm.answerTo(1)).toBe("ready");
			expect(["ready", "idle.running"]).toContain(vm.step);
			expect(vm.takeEffects()).toEqual([]);
		}
	});

	test("whose guest falls silent just then is unresponsive, and not paused", () => {
		const vm = idleVm(options);
		vm.beatFor(10 * minuteMs - 1_000);
		vm.advance(15_000);
		expect(vm.state).toBe("ready");
		expect(vm.context.unresponsive).toBe(true);
	});

	test("a disposable is stopped all the same", () => {
		const vm = idleVm({ ...options, disposable: true });
		vm.beatFor(minuteMs);
		expect(vm.step).toBe("shutdown.asking");
	});

	test("that its vmm can't pause goes on, and is stopped the next time", () => {
		const vm = pausingVm();
		unpausable(vm);
		expect(vm.state).toBe("ready");
		vm.beat();
		expect(vm.step).toBe("idle.running");
		vm.beatFor(10 * minuteMs);
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.context.reason?.sentence).toBe("idle for 10 min");
	});
});

describe("a paused vm", () => {
	test.each(["run", "attach"] as const)("is resumed for a %s, which is answered then", (ask) => {
		const vm = pausedVm();
		vm[ask](1);
		expect(vm.step).toBe("idle.resuming");
		expect(vm.takeEffects()).toEqual(["resumeVmm"]);
		expect(vm.answerTo(1)).toBeUndefined();
		resumed(vm);
		expect(vm.answerTo(1)).toBe("ready");
		expect(vm.state).toBe("ready");
		vm.advance(14_999);
		expect(vm.context.unresponsive).toBe(false);
		vm.advance(1);
		expect(vm.context.unresponsive).toBe(true);
	});

	test("that is started is resumed, and idles anew", () => {
		const vm = pausedVm();
		vm.start(1);
		resumed(vm);
		expect(vm.answerTo(1)).toBe("ready");
		expect(vm.step).toBe("idle.running");
		vm.beatFor(10 * minuteMs - 1);
		expect(vm.step).toBe("idle.running");
		vm.advance(1);
		expect(vm.step).toBe("idle.settling");
	});

	test("is resumed for an inhibitor, and for a vm that depends on it", () => {
		for (const event of [
			{ type: "inhibit.requested", inhibitor: 1, label: "rsync" },
			{ type: "dependant.came", vm: 7, label: "work" },
		] as const) {
			const vm = pausedVm();
			vm.send(event);
			expect(vm.step).toBe("idle.resuming");
			resumed(vm);
			expect(vm.state).toBe("ready");
		}
	});

	test("is resumed for who came while it was being paused", () => {
		const vm = pausingVm();
		vm.run(1);
		expect(vm.step).toBe("idle.pausing");
		paused(vm);
		expect(vm.step).toBe("idle.resuming");
		resumed(vm);
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("that is resumed serves nobody before its guest has spoken", () => {
		const vm = pausedVm();
		vm.run(1);
		vm.send({ type: "vmm.resumed", boot: 1 });
		expect(vm.step).toBe("idle.hearing");
		expect(vm.answerTo(1)).toBeUndefined();
		vm.disconnect();
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("whose guest does not speak when it is resumed makes room for another boot, and nobody's request is lost", () => {
		const vm = pausedVm();
		vm.run(1);
		vm.attach(2);
		vm.send({ type: "vmm.resumed", boot: 1 });
		vm.takeEffects();
		vm.advance(hearMs + listenMs);
		expect(vm.takeEffects()).toEqual(["pressPowerButton"]);
		expect(vm.answerTo(2)).toMatchObject({ code: "NotRunning" });
		vm.exit(null);
		expect(vm.takeEffects()).toEqual(["releaseVmm", "launchVmm 2"]);
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("that an earlier broker has left is resumed, heard, and idles anew", () => {
		const adopted = { saidHello: true, wasPaused: true, ageMs: 60 * minuteMs };
		const vm = new VmUnderTest({ ...options, adopted });
		expect(vm.step).toBe("idle.resuming");
		expect(vm.takeEffects()).toEqual(["resumeVmm"]);
		vm.send({ type: "vmm.resumed", boot: 0 });
		vm.hello();
		expect(vm.step).toBe("idle.running");
		settle(vm);
		expect(vm.step).toBe("idle.pausing");
	});

	test("that an earlier broker has left is ended where its guest is not heard any more", () => {
		const adopted = { saidHello: true, wasPaused: true, ageMs: 60 * minuteMs };
		const vm = new VmUnderTest({ ...options, adopted });
		vm.send({ type: "vmm.resumed", boot: 0 });
		vm.advance(hearMs + listenMs);
		expect(vm.step).toBe("shutdown.pressing");
		vm.exit(null);
		expect(vm.context.reason?.sentence).toBe("its guest did not answer when it was resumed");
	});

	test("whose vmm does not resume it makes room for another boot", () => {
		const vm = pausedVm();
		vm.run(1);
		unpausable(vm);
		expect(vm.step).toBe("shutdown.pressing");
		vm.exit(null);
		expect(vm.state).toBe("booting");
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("whose guest speaks at the last moment, when a broker that stood still reads it, goes on", () => {
		const vm = pausedVm();
		vm.run(1);
		vm.send({ type: "vmm.resumed", boot: 1 });
		vm.advance(hearMs);
		expect(vm.step).toBe("idle.listening");
		vm.beat();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test.each(["idle.resuming", "idle.hearing", "idle.listening"])(
		"that is a disposable, and whose last run leaves in %s, ends",
		(step) => {
			const vm = pausedVm();
			vm.configure({ disposable: true });
			vm.run(1);
			if (step !== "idle.resuming") vm.send({ type: "vmm.resumed", boot: 1 });
			if (step === "idle.listening") vm.advance(hearMs);
			expect(vm.step).toBe(step);
			vm.withdraw(1);
			expect(vm.step).toBe("shutdown.terminating");
			expect(vm.context.reason?.sentence).toBe("nobody waits for its boot any more, and it is disposable");
		},
	);

	test("that is no disposable stays when its last run leaves", () => {
		const vm = pausedVm();
		vm.run(1);
		vm.withdraw(1);
		resumed(vm);
		expect(vm.step).toBe("idle.running");
	});

	test("that is a disposable, and is not heard when it is resumed, is killed: it has nothing to save", () => {
		const vm = pausedVm();
		vm.configure({ disposable: true });
		vm.run(1);
		vm.send({ type: "vmm.resumed", boot: 1 });
		vm.takeEffects();
		vm.advance(hearMs + listenMs);
		expect(vm.takeEffects()).toEqual(["killVmm"]);
	});

	test("is woken after pauseTimeout, with a warning before, and then powers off", () => {
		const vm = pausedVm();
		const at = vm.context.now() + 60 * minuteMs;
		vm.notices.length = 0;
		vm.advance(60 * minuteMs - 30_000);
		expect(vm.notices).toEqual([{ type: "stop.announced", at, sentence: "paused for 1 h" }]);
		vm.advance(30_000);
		expect(vm.step).toBe("idle.waking");
		expect(vm.takeEffects()).toEqual(["resumeVmm"]);
		resumed(vm);
		expect(vm.step).toBe("shutdown.asking");
		expect(vm.takeEffects()).toEqual(["askPoweroff"]);
		vm.exit(null);
		expect(vm.context.reason).toEqual({ code: "Stopped", sentence: "paused for 1 h" });
	});

	test("serves who comes while it is being woken to be stopped", () => {
		const vm = pausedVm();
		vm.advance(60 * minuteMs);
		vm.run(1);
		expect(vm.step).toBe("idle.resuming");
		resumed(vm);
		expect(vm.answerTo(1)).toBe("ready");
		resumed(vm);
		expect(vm.state).toBe("ready");
		expect(vm.context.reason).toBeNull();
	});

	test("that can't be woken has its power button pressed all the same", () => {
		const vm = pausedVm();
		vm.advance(60 * minuteMs);
		vm.takeEffects();
		unpausable(vm);
		expect(vm.step).toBe("shutdown.pressing");
		expect(vm.takeEffects()).toEqual(["pressPowerButton"]);
		expect(vm.context.reason?.sentence).toBe("paused for 1 h");
	});

	test("that is no longer to be paused is resumed", () => {
		for (const settings of [{ idleAction: "stop" }, { ...options, idleTimeoutMs: 0 }] as const) {
			const vm = pausedVm();
			vm.configure(settings);
			expect(vm.step).toBe("idle.resuming");
			resumed(vm);
			expect(vm.step).toBe("idle.running");
		}
	});

	test("with pauseTimeout 0 stays paused", () => {
		const vm = pausedVm({ pauseTimeoutMs: 0 });
		vm.advance(30 * 24 * 60 * minuteMs);
		expect(vm.step).toBe("idle.paused");
		expect(vm.clock.pending).toBe(0);
	});

	test("that is stopped by request is resumed first: it can't power off otherwise", () => {
		const vm = pausedVm();
		vm.stop();
		expect(vm.step).toBe("shutdown.waking");
		expect(vm.takeEffects()).toEqual(["resumeVmm"]);
		resumed(vm);
		expect(vm.step).toBe("shutdown.asking");
		const other = pausedVm();
		other.stop();
		unpausable(other);
		expect(other.step).toBe("shutdown.pressing");
	});

	test("that is killed is not resumed", () => {
		const vm = pausedVm();
		vm.stop(true);
		expect(vm.takeEffects()).toEqual(["killVmm"]);
	});

	test("whose vmm ends is stopped, and its next boot is not paused", () => {
		const vm = pausedVm();
		vm.exit(null);
		expect(vm.state).toBe("stopped");
		vm.run(1);
		vm.hello();
		expect(vm.answerTo(1)).toBe("ready");
	});

	test("that says something all the same is not counted as silent from then on", () => {
		const vm = pausedVm();
		vm.beat();
		vm.advance(minuteMs);
		expect(vm.context.unresponsive).toBe(false);
		expect(vm.step).toBe("idle.paused");
	});
});

test("a timer that is early by less than a look takes does not stop what is to be paused", () => {
	for (let early = 0.05; early < 2; early += 0.05) {
		const vm = idleVm({ idleAction: "pause", idleTimeoutMs: 1_000 });
		vm.leap(-early);
		vm.tick = 0.1;
		vm.advance(1_010);
		expect({ early, step: vm.step }).toEqual({ early, step: "idle.settling" });
	}
});
