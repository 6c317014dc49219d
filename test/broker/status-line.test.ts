import { expect, it } from "vitest";
import { formatStatusLine } from "../../src/broker/status-line.ts";
import { QubesLiteError } from "../../src/errors.ts";

it.each([
	[[], "no vm runs"],
	[["idle"], "1 vm: 1 idle"],
	[["idle", "booting", "idle"], "3 vms: 1 booting, 2 idle"],
	[["failed", "shutdown", "ready"], "3 vms: 1 ready, 1 shutdown, 1 failed"],
])("of %j says %j", (states, line) => {
	expect(formatStatusLine(states, null)).toBe(line);
});

it("says what is wrong with the configuration", () => {
	const problem = new QubesLiteError("BadRequest", "config.json has a problem");
	expect(formatStatusLine(["idle"], problem)).toBe("1 vm: 1 idle; config.json has a problem");
});
