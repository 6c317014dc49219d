/** Which instances are kept ready, and for whom: on timers of the test's. */
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/broker/clock.ts";
import { Preloaded } from "../../src/broker/preloaded.ts";
import type { Vm } from "../../src/broker/vm.ts";
import type { VmConfig } from "../../src/config/schema.ts";
import { createVm } from "../vmm/facts.ts";

/** What the pool sees of a vm. */
class FakeVm {
	readonly config: VmConfig;
	isUp = true;
	state = "booting";
	readonly did: string[] = [];
	readonly #watchers = new Set<() => void>();
	#answer: PromiseWithResolvers<void> = Promise.withResolvers();

	constructor(config: VmConfig) {
		this.config = config;
	}

	readonly configuration = { preload: () => this.did.push("preload") };
	claim(): void {
		this.did.push("claim");
	}
	stop(force: boolean): void {
		this.did.push(force ? "kill" : "stop");
		this.end();
	}
	withdraw(): void {
		this.did.push("withdraw");
	}
	snapshot(): { state: string } {
		return { state: this.state };
	}
	request(): Promise<void> {
		this.did.push("start");
		return this.#answer.promise;
	}
	watch(listener: () => void): () => void {
		this.#watchers.add(listener);
		return () => this.#watchers.delete(listener);
	}

	ready(): void {
		this.state = "idle";
		this.#answer.resolve();
	}
	/** A vm that has failed may still be up, for a look. */
	fail(isUp = false): void {
		this.isUp = isUp;
		this.state = "failed";
		this.#answer.reject(new Error("no image"));
		this.#told();
	}
	end(): void {
		this.isUp = false;
		this.state = "stopped";
		this.#answer.reject(new Error("it has ended"));
		this.#told();
	}
	#told(): void {
		for (const watcher of [...this.#watchers]) watcher();
	}
}

const made: FakeVm[] = [];
const forgotten: FakeVm[] = [];
const warnings: string[] = [];
let bases: VmConfig[] = [];
let isWaiting = false;
let free = 100_000;
let image = "a";
let unplannable = "";
let tapsFree = 100;
let pool: Preloaded;

beforeEach(() => {
	vi.useFakeTimers();
	made.length = 0;
	forgotten.length = 0;
	warnings.length = 0;
	bases = [createVm({ name: "disp", preload: 1 })];
	isWaiting = false;
	free = 100_000;
	image = "a";
	unplannable = "";
	tapsFree = 100;
	pool = new Preloaded({
		bases: () => bases,
		create(base) {
			const vm = new FakeVm({ ...base, name: `disp-${made.length}` });
			made.push(vm);
			return vm as unknown as Vm;
		},
		forget: (vm) => void forgotten.push(vm as unknown as FakeVm),
		isSomebodyWaiting: () => isWaiting,
		hasTap: () => tapsFree > 0,
		wayToStart({ name, memoryMiB }) {
			if (name === unplannable) throw new Error("no image");
			return `${image} ${memoryMiB}`;
		},
		freeMemoryMiB: () => free,
		now: () => Date.now(),
		clock: systemClock,
		log: pino({ level: "warn" }, { write: (line) => warnings.push(line) }),
	});
});

afterEach(() => {
	vi.useRealTimers();
});

/** Something changes, and time for a look passes. */
async function look(ms = 2_000): Promise<void> {
	pool.changed();
	await vi.advanceTimersByTimeAsync(ms);
}

const base = (): VmConfig => bases[0] ?? createVm();
const claim = () => pool.claim(base()) as unknown as FakeVm | undefined;

describe("instances that are kept ready", () => {
	test("are made one after the other, as many as are wanted", async () => {
		bases = [createVm({ name: "disp", preload: 2 })];
		await look();
		expect(made.map(({ did }) => did)).toEqual([["preload", "start"]]);
		await look();
		expect(made).toHaveLength(1);
		made[0]?.ready();
		await look();
		made[1]?.ready();
		await look();
		await look();
		expect(made).toHaveLength(2);
	});

	test("are claimed once each, the one that is furthest first, and replaced", async () => {
		bases = [createVm({ name: "disp", preload: 2 })];
		await look();
		made[0]?.ready();
		await look();
		expect(claim()).toBe(made[0]);
		expect(claim()).toBe(made[1]);
		expect(claim()).toBeUndefined();
		expect(made[0]?.did).toEqual(["preload", "start", "claim", "withdraw"]);
		made[1]?.ready();
		await look();
		expect(made).toHaveLength(3);
	});

	test("are not what was claimed, whatever becomes of that", async () => {
		await look();
		made[0]?.ready();
		await look();
		const vm = claim();
		expect(pool.has(vm as unknown as Vm)).toBe(false);
		vm?.end();
		pool.close();
		expect(vm?.did).not.toContain("kill");
	});

	test("are dropped where the image has changed, and none of those is claimed", async () => {
		await look();
		made[0]?.ready();
		image = "b";
		expect(claim()).toBeUndefined();
		await look();
		expect(made[0]?.did).toContain("kill");
		await look();
		expect(made).toHaveLength(2);
	});

	test("are looked at also where nothing happens: an image that is built anew is no step of any vm", async () => {
		await look();
		made[0]?.ready();
		await look();
		image = "b";
		await vi.advanceTimersByTimeAsync(61_000);
		expect(made[0]?.did.at(-1)).toBe("kill");
	});

	test("are dropped where none, or fewer, are wanted", async () => {
		bases = [createVm({ name: "disp", preload: 2 })];
		await look();
		made[0]?.ready();
		await look();
		made[1]?.ready();
		bases = [createVm({ name: "disp", preload: 1 })];
		await look();
		expect(made.map(({ isUp }) => isUp)).toEqual([true, false]);
		bases = [];
		await look();
		expect(made.map(({ isUp }) => isUp)).toEqual([false, false]);
	});

	test("that end by themselves are replaced", async () => {
		await look();
		made[0]?.ready();
		await look();
		made[0]?.end();
		await look();
		expect(made).toHaveLength(2);
		expect(claim()).toBe(made[1]);
	});

	test("give way while somebody waits for a boot, and come after it", async () => {
		await look();
		isWaiting = true;
		await look();
		expect(made[0]?.did).toContain("kill");
		await look();
		expect(made).toHaveLength(1);
		isWaiting = false;
		await look();
		expect(made).toHaveLength(2);
	});

	test("that are ready do not give way", async () => {
		await look();
		made[0]?.ready();
		await look();
		isWaiting = true;
		await look();
		expect(made[0]?.isUp).toBe(true);
	});

	test("are not made where memory is short, and are when there is some again", async () => {
		free = base().memoryMiB + 511;
		await look();
		expect(made).toHaveLength(0);
		free += 1;
		await look(10_000);
		expect(made).toHaveLength(1);
	});

	test("are not made where all TAPs are in use, which nobody is warned of, and are when one is free", async () => {
		tapsFree = 0;
		await look();
		await look(60_000);
		expect(made).toHaveLength(0);
		expect(vi.getTimerCount()).toBe(1);
		expect(warnings).toEqual([]);
		tapsFree = 1;
		await look();
		expect(made).toHaveLength(1);
	});

	test("make room for who asks for what they hold, the one that was made last", async () => {
		bases = [createVm({ name: "disp", preload: 2 })];
		await look();
		made[0]?.ready();
		await look();
		const both = made as unknown as Vm[];
		expect(pool.giveUp(both.slice(0, 1))).toBe(true);
		expect(made.map(({ isUp }) => isUp)).toEqual([false, true]);
		expect(pool.giveUp(both)).toBe(true);
		expect(pool.giveUp(both)).toBe(false);
	});

	test("that can't be made are tried again after 10 s, then 20 s, and so on", async () => {
		await look();
		made[0]?.fail();
		await look(9_000);
		expect(made).toHaveLength(1);
		await look(10_000);
		expect(made).toHaveLength(2);
		made[1]?.fail();
		await look(19_000);
		expect(made).toHaveLength(2);
		await look(10_000);
		expect(made).toHaveLength(3);
	});

	test("that have failed, and are still up for a look, are ended: nobody is going to look", async () => {
		await look();
		made[0]?.fail(true);
		await look();
		expect(made[0]?.did).toContain("kill");
		expect(pool.has(made[0] as unknown as Vm)).toBe(false);
	});

	test("that can't even be planned are forgotten, and keep no other base's from being made", async () => {
		bases = [createVm({ name: "bad", preload: 1 }), createVm({ name: "disp", id: 7, preload: 1 })];
		unplannable = "bad";
		await look();
		expect(forgotten).toEqual([made[0]]);
		await look();
		expect(made.map(({ config }) => config.memoryMiB)).toHaveLength(2);
		made[1]?.ready();
		await look();
		expect(pool.claim(bases[1] ?? createVm())).toBe(made[1]);
	});

	test("of a base that is too large for the memory that is free keep no other base's from being made", async () => {
		bases = [createVm({ name: "large", memoryMiB: 8192, preload: 1 }), createVm({ name: "disp", id: 7, preload: 1 })];
		free = 4096;
		await look();
		expect(made.map(({ config }) => config.memoryMiB)).toEqual([2048]);
	});

	test("are whose who asks for one by its name", async () => {
		await look();
		made[0]?.ready();
		await look();
		pool.claimThis(made[0] as unknown as Vm);
		pool.claimThis(made[0] as unknown as Vm);
		expect(made[0]?.did).toEqual(["preload", "start", "claim", "withdraw"]);
		expect(claim()).toBeUndefined();
	});

	test("that are about to end are not claimed", async () => {
		await look();
		made[0]?.ready();
		await look();
		if (made[0] !== undefined) made[0].state = "shutdown";
		expect(claim()).toBeUndefined();
	});

	test("end with the broker", async () => {
		await look();
		made[0]?.ready();
		await look();
		pool.close();
		expect(made[0]?.isUp).toBe(false);
		await look(60_000);
		expect(made).toHaveLength(1);
	});

	test("cost nothing where none are wanted", async () => {
		bases = [];
		pool.changed();
		expect(vi.getTimerCount()).toBe(0);
	});
});
