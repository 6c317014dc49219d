import { expect, test } from "vitest";
import type { BootHistory } from "../../src/broker/boot-history.ts";
import { type FailedBoots, VmFailures } from "../../src/broker/failed-boots.ts";
import { createVm } from "../vmm/facts.ts";

/** What one broker leaves to the next. */
function brokers(): { next(): VmFailures; kept(): FailedBoots | undefined } {
	let kept: FailedBoots | undefined;
	const bootHistory = {
		failed: () => kept,
		noteFailed: (_: string, failed: FailedBoots | undefined) => {
			kept = failed;
		},
		ignoredFailed: () => {},
	} as unknown as BootHistory;
	return { next: () => new VmFailures(vm, { now: () => 0, wallNow: () => 1_000, bootHistory }), kept: () => kept };
}

const vm = createVm({ name: "shopping" });

test("a vm whose failed vmm stays up for a look keeps its failures through brokers that come and go", () => {
	const { next, kept } = brokers();
	next().note(vm, { failedBoots: 4 });
	for (let broker = 0; broker < 5; broker++) {
		const failures = next();
		expect(failures.before?.boots).toBe(4);
		/** Its boot is adopted, and may fail once more. */
		failures.begin({ failedBoots: 3 });
		failures.note(vm, { failedBoots: 3 });
	}
	expect(kept()?.boots).toBe(4);
	const last = next();
	last.begin({ failedBoots: 3 });
	last.note(vm, { failedBoots: 4 });
	expect(kept()?.boots).toBe(4);
	last.note(vm, { failedBoots: 0 });
	expect(kept()).toBeUndefined();
});
