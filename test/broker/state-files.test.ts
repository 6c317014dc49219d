import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterEach, beforeEach, expect, it } from "vitest";
import { StateFiles } from "../../src/broker/state-files.ts";

let directory: string;
let files: StateFiles<{ word: v.StringSchema<undefined> }>;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-state-"));
	files = new StateFiles(directory, "words", { word: v.string() }, { warn: () => {} });
});
afterEach(() => rmSync(directory, { recursive: true }));

const names = () => readdirSync(join(directory, "words")).sort();

it("a file is replaced as a whole, also where an earlier write was never finished", () => {
	files.write("shopping", { word: "a" });
	const other = join(directory, "other");
	writeFileSync(other, "kept");
	symlinkSync(other, join(directory, "words/shopping.json.tmp"));
	files.write("shopping", { word: "b" });
	expect(files.read("shopping")).toEqual({ word: "b" });
	expect(readFileSync(other, "utf8")).toBe("kept");
	expect(names()).toEqual(["shopping.json"]);
});

it("what can't be written is lost, and leaves nothing behind", () => {
	mkdirSync(join(directory, "words/shopping.json/full"), { recursive: true });
	files.write("shopping", { word: "a" });
	expect(files.read("shopping")).toBeNull();
	expect(names()).toEqual(["shopping.json"]);
});

it("those of other vms are removed, with what was never finished, and nothing that is not ours", () => {
	files.keepOnly(new Set());
	for (const vm of ["shopping", "banking"]) files.write(vm, { word: vm });
	const ours = ["banking.json.tmp", "vault.json.tmp"];
	const others = ["README.json.md", "Banking.json", "notes"];
	for (const name of [...ours, ...others]) writeFileSync(join(directory, "words", name), "");
	files.keepOnly(new Set(["banking"]));
	expect(names()).toEqual(["banking.json", ...others].sort());
});
