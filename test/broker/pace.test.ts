import { expect, it } from "vitest";
import { Pace } from "../../src/broker/pace.ts";

it("lets some at once, then one in each span, and some at once again after a rest", () => {
	let now = 1_000;
	const pace = new Pace({ atOnce: 3, everyMs: 50, now: () => now });
	const countFor = (ms: number): number => {
		let count = 0;
		for (const end = now + ms; now < end; now += 1) {
			if (pace.isSpent) continue;
			pace.spend();
			count += 1;
		}
		return count;
	};
	expect(countFor(1)).toBe(1);
	expect(countFor(1000)).toBe(2 + 20);
	now += 10_000;
	expect(countFor(10)).toBe(3);
});

it("is no longer spent for what was done beyond it", () => {
	let now = 0;
	const pace = new Pace({ atOnce: 2, everyMs: 50, now: () => now });
	for (let count = 0; count < 100; count++) pace.spend();
	expect(pace.isSpent).toBe(true);
	now += 50;
	expect(pace.isSpent).toBe(false);
});
