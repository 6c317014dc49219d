import { expect, it } from "vitest";
import { fail, pass, warn } from "../../../src/admin/doctor/check.ts";
import { formatJson, formatReport } from "../../../src/admin/doctor/report.ts";

const results = [
	{ name: "qemu", ...pass("QEMU 9.9") },
	{ name: "tap:shopping", ...warn("there is none", "make one") },
	{ name: "config", ...fail("two problems:\n  a\n  b", "vi /a") },
];

it("has columns, further lines of a sentence below it, and remedies behind an arrow", () => {
	expect(formatReport(results, { colour: false, now: 0, width: null })).toBe(
		`PASS  qemu          QEMU 9.9
WARN  tap:shopping  there is none
                    → make one
FAIL  config        two problems:
                      a
                      b
                    → vi /a
`,
	);
	expect(formatReport([], { colour: true, now: 0, width: null })).toBe("");
});

it("has colours where they are wanted, and never an escape from what it quotes", () => {
	const coloured = formatReport(results, { colour: true, now: 0, width: null });
	expect([...coloured.matchAll(/\x1b\[(\d*)m/g)].map(([, sgr]) => sgr)).toEqual(["32", "0", "33", "0", "31", "0"]);
	expect(
		formatReport([{ name: "a", ...warn("\x1b[2J", "\x1b]0;x\x07") }], { colour: false, now: 0, width: null }),
	).not.toMatch(/[\x1b\x07]/);
});

it("is schema 1 as JSON", () => {
	expect(JSON.parse(formatJson(results))).toEqual({
		schema: 1,
		checks: [
			{ name: "qemu", status: "PASS", sentence: "QEMU 9.9", remedy: null },
			{ name: "tap:shopping", status: "WARN", sentence: "there is none", remedy: "make one" },
			{ name: "config", status: "FAIL", sentence: "two problems:\n  a\n  b", remedy: "vi /a" },
		],
	});
});
