import { expect, it } from "vitest";
import { toCodeOrSignal } from "../../src/activation/exit-status.ts";

it.each([
	[null, { code: null, signal: null }],
	[0, { code: 0, signal: null }],
	[128, { code: 128, signal: null }],
	[143, { code: null, signal: "SIGTERM" }],
	[168, { code: null, signal: "SIG40" }],
	[192, { code: null, signal: "SIG64" }],
	[193, { code: 193, signal: null }],
])("a shim's status %s says how its vmm has ended", (status, end) => {
	expect(toCodeOrSignal(status)).toEqual(end);
});
