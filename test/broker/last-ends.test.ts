import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LastEnds, VmEnds } from "../../src/broker/last-ends.ts";
import type { StateLog } from "../../src/broker/state-files.ts";
import type { VmContext } from "../../src/statemachines/vm-context.ts";

const log: StateLog = { warn: () => {} };
let directory: string;
let ends: LastEnds;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-ends-"));
	ends = new LastEnds(directory, log);
});
afterEach(() => rmSync(directory, { recursive: true }));

const reason = { code: "BootFailed", sentence: "its vmm vanished", remedy: "qubes-lite logs shopping" } as const;

it("what is noted is read, and the last counts", () => {
	expect(ends.read("shopping")).toBeNull();
	ends.note("shopping", { reason: { code: "Stopped", sentence: "idle for 10 min" }, at: 1 });
	ends.note("shopping", { reason, at: 2 });
	expect(new LastEnds(directory, log).read("shopping")).toEqual({ reason, at: 2 });
	expect(ends.read("banking")).toBeNull();
	expect(readdirSync(join(directory, "ends"))).toEqual(["shopping.json"]);
	expect(statSync(join(directory, "ends/shopping.json")).mode & 0o777).toBe(0o600);
});

it.each([
	["nothing", ""],
	["half a file", '{"schema":1,"at":'],
	["another schema", '{"schema":2,"at":1,"code":"Stopped","sentence":"x"}'],
	["a code that is none", '{"schema":1,"at":1,"code":"Maybe","sentence":"x"}'],
	["a time that is none", '{"schema":1,"at":-1,"code":"Stopped","sentence":"x"}'],
	["too much", " ".repeat(70_000)],
])("%s is as good as no file", (_, text) => {
	ends.note("shopping", { reason, at: 2 });
	writeFileSync(join(directory, "ends/shopping.json"), text);
	expect(ends.read("shopping")).toBeNull();
});

it("without a place for it nothing is known, and nothing worse", () => {
	writeFileSync(join(directory, "file"), "");
	const nowhere = new LastEnds(join(directory, "file"), log);
	nowhere.note("shopping", { reason, at: 2 });
	expect(nowhere.read("shopping")).toBeNull();
});

const of = (instanceOf: null | undefined, wall: number) =>
	new VmEnds(instanceOf === undefined ? { name: "shopping" } : { name: "shopping", instanceOf }, {
		...{ lastEnds: ends, now: () => 500, wallNow: () => wall },
	});
const context = (since: number) => ({ reason, since }) as unknown as VmContext;

it("an end is noted on the wall's clock, and read on the machine's, also where the wall's was put back", () => {
	of(undefined, 1_000_000).note("failed", context(300));
	expect(ends.read("shopping")).toEqual({ reason, at: 999_800 });
	expect(of(undefined, 1_000_100).last).toEqual({ reason, since: 200 });
	expect(of(undefined, 1).last).toEqual({ reason, since: 500 });
});

it("neither a vm that is up is noted, nor an instance, nor what an earlier broker has noted", () => {
	of(undefined, 1_000_000).note("ready", context(300));
	of(null, 1_000_000).note("stopped", context(300));
	expect(ends.read("shopping")).toBeNull();
	ends.note("shopping", { reason, at: 7 });
	const later = of(undefined, 1_000_000);
	later.note("stopped", { ...context(300), reason: later.last?.reason ?? null });
	expect(ends.read("shopping")?.at).toBe(7);
	expect(of(null, 1).last).toBeNull();
});
