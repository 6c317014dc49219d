import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration } from "../../src/statemachines/duration.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

test.each([
	[0, "0 ms"],
	[0.4, "0 ms"],
	[600, "600 ms"],
	[999, "999 ms"],
	[999.6, "1 s"],
	[1_000, "1 s"],
	[1_499, "1 s"],
	[59_499, "59 s"],
	[59_500, "1 min"],
	[minute, "1 min"],
	[3 * minute + 20 * second, "3 min 20 s"],
	[hour, "1 h"],
	[hour + 1 * second, "1 h"],
	[hour + minute, "1 h 1 min"],
	[day - 1, "1 d"],
	[day + hour, "1 d 1 h"],
	[365 * day, "365 d"],
])("%i ms is %s", (ms, words) => {
	expect(formatDuration(ms)).toBe(words);
});

test("a duration always has one or two units, and never says NaN", () => {
	fc.assert(
		fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), (ms) => {
			expect(formatDuration(ms)).toMatch(/^\d+ (ms|s|min|h|d)( \d+ (s|min|h))?$/);
		}),
	);
});
