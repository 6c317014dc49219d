import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkSource, table } from "./import-table.ts";
import { scanImports } from "./scan-source.ts";

const root = new URL("../../", import.meta.url).pathname;
const files = globSync(["src/**/*.ts", "guest-image/**/*.ts"], { cwd: root });

test.each(files)("%s imports only what its room may", (file) => {
	expect(checkSource(file, readFileSync(root + file, "utf8"))).toEqual([]);
});

test("nothing but TypeScript is hidden from this test in src/", () => {
	expect(globSync("src/**/*.{js,mjs,cjs,mts,cts,tsx,jsx}", { cwd: root })).toEqual([]);
});

test("the table itself points down: no two rooms may import each other, nor any the broker or the cli", () => {
	for (const { room, ours } of table) {
		for (const other of table.filter((candidate) => ours.includes(candidate.room))) {
			const isOneFolder = other.room.startsWith(`${room}/`) || room.startsWith(`${other.room}/`);
			if (!isOneFolder) expect(other.ours, `${other.room} imports ${room} and the reverse`).not.toContain(room);
			// A program of the cli's own.
			if (room !== "src/cli/copy") expect(["src/broker", "src/cli"]).not.toContain(other.room);
		}
	}
});

describe("the scan finds", () => {
	test.each([
		['import a from "x";', ["x"]],
		["import { a,\n\ttype B\n} from 'x'", ["x"]],
		['import type { A } from "x";', ["x"]],
		['import "x";', ["x"]],
		['export * from "x"; export { a } from "y";', ["x", "y"]],
		['const a = await import("x");', ["x"]],
		['type A = import("x").A;', ["x"]],
		['const a = createRequire(import.meta.url)("x"); require("y")', ["y"]],
		["const a = import(`x`);", ["x"]],
		["const a = import(name);", ["(computed)"]],
		['import a from "x"; // import b from "y"\n/* import c from "z" */ import d from "w";', ["x", "w"]],
		['const url = "https://x"; import("y");', ["y"]],
		['export const from = "x"; export function f() { return "y"; }', []],
		['const text = "import a from";', []],
	])("in %j", (source, imports) => {
		expect(scanImports(source)).toEqual(imports);
	});
});

describe("the check can fail", () => {
	test.each([
		["src/errors.ts", 'import "./launch-plan.ts"', "src/errors.ts may import of ours only src/errors.ts."],
		["src/protocol/a.ts", 'import type { A } from "../statemachines/b.ts"', "imports src/statemachines/b.ts"],
		["src/protocol/a.ts", 'import fs from "node:fs"', "src/protocol may import of node: only crypto, buffer"],
		["src/terminal/a.ts", 'import "valibot"', "src/terminal may import of packages only nothing"],
		["src/statemachines/a.ts", 'import "xstate"; import "rxjs"', "imports rxjs"],
		["src/config/loader.ts", 'import { open } from "node:fs/promises"', "imports node:fs/promises"],
		["src/config/loader.ts", 'import { findConfig } from "./find-config.ts"', "imports src/config/find-config.ts"],
		["src/vmm/a.ts", 'import { parseConfig } from "../config/loader.ts"', "imports src/config/loader.ts"],
		["src/vmm/a.ts", 'import "../activation/b.ts"', "imports src/activation/b.ts"],
		["src/activation/a.ts", 'import "../guest/b.ts"', "imports src/guest/b.ts"],
		["src/guest/a.ts", 'import "../vmm/b.ts"', "imports src/vmm/b.ts"],
		["src/guest/a.ts", 'import "./agent/b.ts"', "imports src/guest/agent/b.ts"],
		["src/guest/agent/a.ts", 'import "../guest-link.ts"', "imports src/guest/guest-link.ts"],
		["src/guest/agent/a.ts", 'import "../../launch-plan.ts"', "imports src/launch-plan.ts"],
		["src/broker/a.ts", 'import "dbus-next"', "imports dbus-next"],
		["src/broker/a.ts", 'await import("../cli/b.ts")', "imports src/cli/b.ts"],
		["src/cli/a.ts", 'import "../broker/b.ts"', "imports src/broker/b.ts"],
		["src/cli/a.ts", 'import "execa"', "src/cli may import of packages only nothing"],
		["src/cli/a.ts", 'import "fs"', "imports fs, but src/cli may import of packages only nothing"],
		["guest-image/a.ts", 'import "../src/vmm/qemu.ts"', "imports src/vmm/qemu.ts"],
		["src/cli/a.ts", 'import "../../guest-image/b.ts"', "imports guest-image/b.ts"],
		["src/lib/a.ts", "", "src/lib/a.ts is in no room of the table"],
		["src/a.ts", "", "src/a.ts is in no room of the table"],
		["src/cli/a.ts", "import(name)", "imports a computed name"],
	])("%s: %s", (file, source, problem) => {
		expect(checkSource(file, source)).toEqual([expect.stringContaining(problem)]);
	});

	test.each([
		"Date.now()",
		"new Date()",
		"performance.now()",
		"globalThis.performance.now()",
		"setTimeout(f, 1)",
		"globalThis.setInterval(f, 1)",
		"Math.random()",
		'import { randomBytes } from "node:crypto"',
		"crypto.randomUUID()",
		"process.env.HOME",
		'process["env"]',
		"`${process.pid}`",
		"console.log()",
		"fetch(url)",
	])("a pure room uses %s", (source) => {
		for (const room of ["protocol", "statemachines"]) {
			expect(checkSource(`src/${room}/a.ts`, source)).toEqual([expect.stringContaining("its room is pure")]);
		}
		expect(checkSource("src/guest/a.ts", source)).toEqual([]);
	});

	test("nothing is said against what is allowed", () => {
		const source = `
			// setTimeout and Date.now() may be spoken of
			import { createHash } from "node:crypto";
			import { QubesLiteError } from "../errors.ts";
			import type { A } from "./b.ts";
			const x = new Date(0), y = vm.process.argv, z = clock.setTimeout(f, 1), name = "console.log";
		`;
		expect(checkSource("src/protocol/a.ts", source)).toEqual([]);
	});
});
