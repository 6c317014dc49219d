import { expect, it } from "vitest";
import { ignoredSignals } from "../../src/cli/ignored-signals.ts";
import { signalNames } from "../../src/protocol/signals.ts";

it("reads which signals were ignored from the kernel's mask", () => {
	expect(ignoredSignals("1")).toEqual(["SIGHUP"]);
	expect(ignoredSignals("6")).toEqual(["SIGINT", "SIGQUIT"]);
	expect(ignoredSignals("0")).toEqual([]);
	expect(ignoredSignals(String(0x7fffffff))).toEqual(signalNames);
});

it.each([undefined, "", "x", "-1", "0x1", "11111111111", "SIGHUP"])("takes %j for none", (mask) => {
	expect(ignoredSignals(mask)).toEqual([]);
});
