import { expect, it } from "vitest";
import { pass, runChecks } from "../../../src/admin/doctor/check.ts";

it("a check that breaks, or does not end, hides none of the others", async () => {
	const results = await runChecks([
		{
			name: "breaks",
			run: () => {
				throw new Error("oh");
			},
		},
		{ name: "hangs", run: () => new Promise(() => {}) },
		{ name: "good", run: () => pass("good") },
	]);
	expect(results).toMatchObject([
		{ name: "breaks", status: "FAIL", sentence: "the check breaks broke: oh" },
		{ name: "hangs", status: "FAIL", sentence: expect.stringContaining("not be found out within") },
		{ name: "good", status: "PASS" },
	]);
});
