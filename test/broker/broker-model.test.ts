/** Whatever happens to a broker, and in whatever order it ends: the rules of broker-rules.ts hold. */
import fc from "fast-check";
import { test } from "vitest";
import { rounds } from "../rounds.ts";
import { brokers, keepsItsRules } from "./broker-histories.ts";

test.each(brokers)("a broker of $title keeps its rules, whatever happens", async (broker) => {
	await fc.assert(keepsItsRules(broker), { numRuns: rounds(40, 3_000) });
});
