/** What is announced of a vm, and how often: between a vm that steps as the test says, and a bus that writes down what it is told. */
import { beforeEach, describe, expect, it } from "vitest";
import { ToldVm, type ToldVmHost } from "../../../src/broker/bus/told-vm.ts";
import type { Vm } from "../../../src/broker/vm.ts";
import { initialContext } from "../../../src/statemachines/vm-context.ts";
import { defaultInput, TestClock } from "../../statemachines/vm-harness.ts";

let clock: TestClock;
let state: string;
let mayTell: boolean;
let step: () => void;
let told: ToldVm;
let said: { readonly at: number; readonly what: string; readonly from?: string; readonly to?: string }[];

const status = () => ({
	...{ name: "shopping", id: 5, state, flags: [], reason: null, remedy: null, phase: null, since: null },
	...{ stopsAt: null, pausesAt: null, leases: [], disposable: false, network: true, idleTimeout: 0, pid: null },
	...{ idleAction: "stop", dependsOn: [], maxLifetime: 0, memoryMiB: 512, cpus: 1 },
});

/** It is looked at for the first time when this resolves. */
async function begin(mayTellOfIt: boolean): Promise<void> {
	clock = new TestClock();
	clock.set(1_000_000);
	[state, mayTell, said] = ["stopped", mayTellOfIt, []];
	const context = initialContext({ ...defaultInput, now: () => clock.now() });
	const vm = {
		config: { name: "shopping" },
		snapshot: () => ({ state, context, instance: undefined }),
		watch: (listener: () => void) => {
			step = listener;
			return () => {};
		},
		...{ notices: () => () => {}, watchSessions: () => () => {} },
	};
	const say = (what: string, more: object = {}): void => void said.push({ at: clock.now(), what, ...more });
	const requests = { status, mayTell: () => mayTell, dependencies: { now: () => clock.now() } };
	const host = {
		...{ requests, clock, isHidden: () => false },
		shown: (isShown: boolean, isTold: boolean) => say(`${isShown ? "shown" : "hidden"}${isTold ? "" : ", untold"}`),
		service: {
			isOwner: true,
			emit: (_: string, __: object, what: string, [from, to]: readonly string[]) => say(what, { from, to }),
			changed: () => say("PropertiesChanged"),
		},
	};
	told = new ToldVm(vm as unknown as Vm, host as unknown as ToldVmHost);
	await Promise.resolve();
}

/** At this instant. */
function become(next: string): void {
	state = next;
	step();
}
const changes = () => said.filter(({ what }) => what === "StateChanged");
const spell = () => changes().map(({ at, from, to }) => `${at - 1_000_000} ${from} ${to}`);

describe("StateChanged comes", () => {
	beforeEach(() => begin(true));

	it("at once in ordinary use: boots, stops, failures, and commands that follow each other", () => {
		const steps = [
			"booting",
			"ready",
			"idle",
			"ready",
			"idle",
			"ready",
			"idle",
			"shutdown",
			"stopped",
			"booting",
			"failed",
		];
		for (const [index, next] of steps.entries()) {
			clock.advance(10);
			become(next);
			expect(spell().at(-1)).toBe(`${10 * (index + 1)} ${steps[index - 1] ?? "stopped"} ${next}`);
		}
		expect(changes()).toHaveLength(steps.length);
	});

	it("no more than 8 times at once and 20 times a second from a guest that is ready and idle again 256 times a second", () => {
		become("booting");
		become("idle");
		for (let count = 0; count < 2560; count++) {
			clock.advance(2);
			become("ready");
			clock.advance(1.9);
			become("idle");
		}
		clock.advance(50);
		expect(changes().length).toBeGreaterThan(100);
		expect(changes().length).toBeLessThanOrEqual(2 + 8 + 20 * 10);
		expect(said.length).toBeLessThanOrEqual(1 + 2 * (2 + 8 + 20 * 10));
		for (const [index, { from }] of changes().entries()) if (index > 0) expect(from).toBe(changes()[index - 1]?.to);
		expect(changes().at(-1)?.to).toBe("idle");
		/** What is no whim of its sessions does not wait behind that. */
		become("ready");
		become("idle");
		become("shutdown");
		expect(spell().at(-1)).toMatch(new RegExp(`^${clock.now() - 1_000_000} (ready|idle) shutdown$`));
	});

	it("at once again after a rest", () => {
		become("idle");
		for (let count = 0; count < 100; count++) {
			become("ready");
			become("idle");
		}
		clock.advance(1_000);
		become("ready");
		expect(spell().at(-1)).toBe("1000 idle ready");
	});
});

describe("a vm of which nothing may be told", () => {
	beforeEach(() => begin(false));

	it("is announced, and its end is, once the policy is mended", () => {
		expect(said.map(({ what }) => what)).toEqual(["shown, untold"]);
		become("booting");
		told.look();
		expect(said).toHaveLength(1);
		mayTell = true;
		told.look();
		expect(said.map(({ what }) => what)).toEqual(["shown, untold", "shown"]);
		become("idle");
		told.end();
		expect(said.slice(2).map(({ what }) => what)).toEqual(["PropertiesChanged", "StateChanged", "hidden"]);
	});

	it("comes and goes without a word where it is not", () => {
		become("booting");
		told.end();
		expect(said.map(({ what }) => what)).toEqual(["shown, untold", "hidden, untold"]);
	});
});
