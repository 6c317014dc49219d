import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { isInstalled, keepDesktopInSync } from "../../src/broker/desktop-sync.ts";
import type { VmNotice } from "../../src/statemachines/vm-events.ts";
import { TestClock } from "../statemachines/vm-harness.ts";
import { drained } from "./turns.ts";

/** A vm whose boots a test tells. */
class BootingVm {
	readonly config;
	#listener: (notice: VmNotice) => void = () => {};

	constructor(name: string, more: { disposable?: boolean; instanceOf?: null } = {}) {
		this.config = { name, disposable: false, ...more };
	}

	notices(listener: (notice: VmNotice) => void): void {
		this.#listener = listener;
	}

	boot(): void {
		this.#listener({ type: "boot.finished", ms: 1, phases: {} });
	}
}

let clock: TestClock;
let isWanted: boolean;
let runs: { vms: readonly string[]; at: number }[];
let end: () => void;
let watcher: { added?(vm: BootingVm): void; configured?(): void };
const vm = (name: string) => new BootingVm(name);

function keep(...vms: BootingVm[]): void {
	keepDesktopInSync({
		registry: {
			all: () => vms,
			watch: (given) => {
				watcher = given;
			},
		},
		isWanted: () => isWanted,
		run: (asked) => {
			runs.push({ vms: asked, at: clock.now() });
			return new Promise((resolve) => {
				end = resolve;
			});
		},
		clock,
		now: () => clock.now(),
	});
}

async function pass(ms: number): Promise<void> {
	clock.advance(ms);
	await drained();
}

beforeEach(() => {
	clock = new TestClock();
	[isWanted, runs, watcher] = [true, [], {}];
});

it("asks those that have booted, together, and none more often than once a minute", async () => {
	const [one, two] = [vm("one"), vm("two")];
	keep(one, two);
	one.boot();
	two.boot();
	one.boot();
	await pass(1_999);
	expect(runs).toEqual([]);
	await pass(1);
	expect(runs).toEqual([{ vms: ["one", "two"], at: 2_000 }]);
	one.boot();
	await pass(100_000);
	expect(runs).toHaveLength(1);
	end();
	await drained();
	await pass(2_000);
	expect(runs[1]).toEqual({ vms: ["one"], at: 104_000 });
	end();
	await drained();
	two.boot();
	await pass(59_999);
	expect(runs).toHaveLength(2);
	await pass(1);
	expect(runs[2]).toEqual({ vms: ["two"], at: 164_000 });
});

it("asks nobody where only the configuration has changed", async () => {
	keep(vm("one"));
	watcher.configured?.();
	watcher.configured?.();
	await pass(2_000);
	expect(runs).toEqual([{ vms: [], at: 2_000 }]);
	watcher.configured?.();
	end();
	await drained();
	await pass(60_000);
	expect(runs).toHaveLength(2);
});

it("does nothing where nobody wants it, and begins when somebody does", async () => {
	const one = vm("one");
	keep(one);
	isWanted = false;
	one.boot();
	await pass(2_000);
	expect(runs).toEqual([]);
	isWanted = true;
	watcher.configured?.();
	await pass(60_000);
	expect(runs).toHaveLength(1);
});

it("asks a vm that has come later, and no disposable", async () => {
	const disp = new BootingVm("disp", { disposable: true });
	keep(disp);
	const [added, instance] = [vm("added"), new BootingVm("disp-1a2a", { instanceOf: null })];
	watcher.added?.(added);
	watcher.added?.(instance);
	for (const one of [disp, instance, added]) one.boot();
	await pass(2_000);
	expect(runs).toEqual([{ vms: ["added"], at: 2_000 }]);
});

it("a menu that somebody has taken away is not put back by itself", () => {
	const state = mkdtempSync(join(tmpdir(), "ql-state-"));
	writeFileSync(join(state, "installed.json"), "");
	writeFileSync(join(state, "desktop.json"), "");
	expect(isInstalled(state)).toBe(true);
	rmSync(join(state, "desktop.json"));
	expect(isInstalled(state)).toBe(false);
	expect(isInstalled(state, "/nix/store/0a1b-qubes-lite/lib/qubes-lite/dist/broker.cjs")).toBe(true);
	rmSync(state, { recursive: true });
});
