import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Accelerator, acceleratorOf, type Boot, BootHistory, VmBoots } from "../../src/broker/boot-history.ts";
import { VmFailures } from "../../src/broker/failed-boots.ts";
import type { StateLog } from "../../src/broker/state-files.ts";
import type { VmConfig } from "../../src/config/schema.ts";
import { toFakePlan } from "../fakes/fake-vmm-host.ts";
import { createVm } from "../vmm/facts.ts";

let directory: string;
let bootHistory: BootHistory;
/** The files that have been ignored. */
let ignored: string[] = [];
const log = { warn: ({ file }: { file: string }) => void ignored.push(basename(file)) } as unknown as StateLog;
beforeEach(() => {
	ignored = [];
	directory = mkdtempSync(join(tmpdir(), "ql-boots-"));
	bootHistory = new BootHistory(directory, log);
});
afterEach(() => rmSync(directory, { recursive: true }));

const bootOf = (ms: number, accelerator: Accelerator = "tcg"): Boot => ({
	...{ at: 1_000_000, ms, phases: { init: 1, agent: 2 }, accelerator },
});
const boots = (instanceOf?: VmConfig["instanceOf"], history = bootHistory) =>
	new VmBoots(instanceOf === undefined ? { name: "shopping" } : { name: "disp-1a2b", instanceOf }, {
		...{ bootHistory: history, wallNow: () => 1_000_000 },
	});
const finished = (ms: number) => ({ type: "boot.finished", ms, phases: { init: 1.4, agent: 2.4 } }) as const;

it("what is noted is known to a broker that comes later", () => {
	expect(bootHistory.read("shopping")).toEqual([]);
	expect(boots()).toMatchObject({ usualMs: null, slowestMs: 0 });
	boots().note(finished(2_600.4), "tcg");
	expect(new BootHistory(directory, log).read("shopping")).toEqual([bootOf(2_600)]);
	expect(statSync(join(directory, "boots/shopping.json")).mode & 0o777).toBe(0o600);
	expect(bootHistory.read("banking")).toEqual([]);
});

it("the last ten count: their median is the usual one, and one of them the slowest", () => {
	for (const ms of [90_000, 9_000, 1, 2, 3, 4, 5, 6, 7, 8, 10]) boots().note(finished(ms), "tcg");
	const later = boots(undefined, new BootHistory(directory, log));
	expect(later).toMatchObject({ usualMs: 6, slowestMs: 9_000 });
	expect(new BootHistory(directory, log).read("shopping")).toHaveLength(10);
});

it("only boots like the last one are compared with it", () => {
	for (const ms of [9_000, 8_000]) boots().note(finished(ms), "tcg");
	boots().note(finished(600), "kvm");
	expect(boots()).toMatchObject({ usualMs: 600, slowestMs: 600 });
	boots().note(finished(7_000), "tcg");
	expect(boots()).toMatchObject({ usualMs: 8_000, slowestMs: 9_000 });
});

it("an instance counts for what it is made from, and not where that is no longer known", () => {
	boots({ name: "shopping", id: 5 }).note(finished(700), "tcg");
	boots(null).note(finished(800), "tcg");
	expect(bootHistory.read("shopping")).toEqual([bootOf(700)]);
	expect(bootHistory.read("disp-1a2b")).toEqual([]);
	expect(boots({ name: "shopping", id: 5 }).usualMs).toBe(700);
	expect(boots(null)).toMatchObject({ usualMs: null, slowestMs: 0 });
});

it("a boot that somebody else began is not known well enough", () => {
	boots().note(finished(700), null);
	expect(boots().usualMs).toBeNull();
});

it.each([
	["nothing", ""],
	["half a file", '{"schema":1,"boots":['],
	["no list", '{"schema":1,"boots":{}}'],
	["a boot of less than no time", JSON.stringify({ schema: 1, boots: [bootOf(-1)] })],
	["a boot of words", JSON.stringify({ schema: 1, boots: [{ ...bootOf(1), ms: "1" }] })],
	["an accelerator that is none", JSON.stringify({ schema: 1, boots: [{ ...bootOf(1), accelerator: "fast" }] })],
	["a file of the future", JSON.stringify({ schema: 2, boots: [bootOf(1)] })],
	["no failed boot", JSON.stringify({ schema: 1, boots: [], failed: { boots: 0, at: 1, config: "x" } })],
	["eleven boots", JSON.stringify({ schema: 1, boots: Array.from({ length: 11 }, () => bootOf(1)) })],
	["too much", JSON.stringify({ schema: 1, boots: [bootOf(1)], more: " ".repeat(70_000) })],
])("%s is as good as no history, and the next boot begins one", (_, text) => {
	bootHistory.note("shopping", bootOf(1));
	writeFileSync(join(directory, "boots/shopping.json"), text);
	const later = new BootHistory(directory, log);
	expect(later.read("shopping")).toEqual([]);
	expect(later.failed("shopping")).toBeUndefined();
	expect(ignored).toEqual(["shopping.json"]);
	later.note("shopping", bootOf(2));
	expect(new BootHistory(directory, log).read("shopping")).toEqual([bootOf(2)]);
});

it("without a place for it, it is known as long as the broker lives", () => {
	writeFileSync(join(directory, "file"), "");
	const nowhere = new BootHistory(join(directory, "file"), log);
	nowhere.note("shopping", bootOf(1));
	expect(nowhere.read("shopping")).toEqual([bootOf(1)]);
	expect(new BootHistory(join(directory, "file"), log).read("shopping")).toEqual([]);
});

it("vms that have left the configuration are forgotten", () => {
	for (const vm of ["shopping", "banking"]) bootHistory.note(vm, bootOf(1));
	bootHistory.keepOnly(new Set(["banking"]));
	for (const history of [bootHistory, new BootHistory(directory, log)]) {
		expect(history.read("shopping")).toEqual([]);
		expect(history.read("banking")).toEqual([bootOf(1)]);
	}
});

it("the accelerator is what the plan was made for", () => {
	const plan = toFakePlan("/run/shopping", []);
	expect(acceleratorOf(plan)).toBeNull();
	expect(acceleratorOf({ requires: [{ kind: "file", path: "/i/vmlinux" }, { kind: "kvm" }] })).toBe("kvm");
});

describe("boots that have failed in a row", () => {
	const shopping = createVm({ id: 5, name: "shopping" });
	const failures = (wall: number, vm = shopping) =>
		new VmFailures(vm, {
			...{ bootHistory: new BootHistory(directory, log), now: () => 500, wallNow: () => wall },
		});

	it("are known to a broker that comes later, until one comes up, and beside the history", () => {
		expect(failures(1_000_000).before).toBeNull();
		boots().note(finished(2_600), "tcg");
		failures(1_000_000).note(shopping, { failedBoots: 3 });
		expect(failures(1_020_000).before).toEqual({ boots: 3, since: -19_500 });
		boots(undefined, new BootHistory(directory, log)).note(finished(2_600), "tcg");
		const later = failures(1_020_000);
		later.note(shopping, { failedBoots: 3 });
		expect(failures(1_020_000).before).toEqual({ boots: 3, since: -19_500 });
		later.note(shopping, { failedBoots: 0 });
		expect(failures(1_020_000).before).toBeNull();
		expect(new BootHistory(directory, log).read("shopping")).toHaveLength(2);
		expect(ignored).toEqual([]);
	});

	it("are ignored where the wall clock was put back since, for then nobody knows how long ago that was", () => {
		failures(1_000_000).note(shopping, { failedBoots: 3 });
		expect(failures(999_999).before).toBeNull();
		expect(ignored).toEqual(["shopping.json"]);
	});

	it("are those of the vm as it was configured then", () => {
		failures(1_000_000).note(shopping, { failedBoots: 3 });
		expect(failures(1_000_000, { ...shopping, memoryMiB: 4096 }).before).toBeNull();
	});

	it("are not known of an instance", () => {
		const instance = { ...shopping, instanceOf: { name: "disp", id: 15 } };
		failures(1_000_000, instance).note(instance, { failedBoots: 3 });
		expect(failures(1_000_000, instance).before).toBeNull();
		expect(failures(1_000_000).before).toBeNull();
	});
});
