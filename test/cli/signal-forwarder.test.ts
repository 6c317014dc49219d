import { expect, it } from "vitest";
import { ignoredSignals } from "../../src/cli/signal-forwarder.ts";

it("reads which signals were ignored from the kernel's mask", () => {
	expect(ignoredSignals("0000000000000001")).toEqual(["SIGHUP"]);
	expect(ignoredSignals("0000000000000006")).toEqual(["SIGINT", "SIGQUIT"]);
	expect(ignoredSignals("0000000000000000")).toEqual([]);
});

it.each([undefined, "", "x", "-1", "0x1", "11111111111111111", "SIGHUP"])("takes %j for none", (mask) => {
	expect(ignoredSignals(mask)).toEqual([]);
});
