import { expect, it } from "vitest";
import { UntoldEnds } from "../../../src/guest/agent/untold-ends.ts";
import { endedToldMax } from "../../../src/protocol/limits.ts";

const killed = { signal: "SIGKILL", signalNumber: 9 };
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

it("tells each end again until a broker has heard of it", () => {
	const ends = new UntoldEnds();
	ends.ended(1, { code: 3 });
	const told = ends.list();
	ends.ended(2, killed);
	expect(ends.list()).toEqual([
		{ session: 1, end: { code: 3 } },
		{ session: 2, end: killed },
	]);
	ends.told(told);
	ends.told(told);
	expect(ends.list()).toEqual([{ session: 2, end: killed }]);
});

it("keeps the last ones of more than can be told at a time", () => {
	const ends = new UntoldEnds();
	for (const session of numbers(endedToldMax + 2)) ends.ended(session, { code: 0 });
	expect(ends.list().map(({ session }) => session)).toEqual(numbers(endedToldMax + 2).slice(2));
});
