import { describe, expect, it } from "vitest";
import { formatBooted, formatBooting, formatReached } from "../../src/cli/boot-words.ts";

const nothing = { phase: null, phases: {}, bootMs: null, usualBootMs: null, dependsOn: [] as string[] } as const;

describe("a boot that is over", () => {
	it.each([
		[
			{ bootMs: 2_600, phases: { init: 1_400, root: 1_600, agent: 1_700 } },
			"2.6 s (kernel 1.4 s, init 0.3 s, agent 0.9 s)",
		],
		[
			{ bootMs: 2_600, phases: { init: 1_400, agent: 1_700 }, usualBootMs: 9 },
			"2.6 s (kernel 1.4 s, init 0.3 s, agent 0.9 s)",
		],
		[{ bootMs: 2_600, phases: { agent: 1_700 } }, "2.6 s"],
		[{ bootMs: 2_600, phases: { init: 1_400 } }, "2.6 s"],
		[{ bootMs: 2_600 }, "2.6 s"],
		[{ usualBootMs: 2_600 }, "usually 2.6 s"],
		[{}, null],
	])("of %j says %s", (boot, words) => {
		expect(formatBooted({ ...nothing, ...boot })).toBe(words);
	});
});

describe("a boot that goes on", () => {
	it.each([
		[{ phase: "vmm" }, "reached kernel"],
		[{ phase: "vmm", usualBootMs: 2_600 }, "reached kernel; usually 2.6 s"],
		[{ phase: "init", phases: { init: 1_500 }, usualBootMs: 2_600 }, "reached init after 1.5 s; usually 2.6 s"],
		[{ phase: "root", phases: { init: 1_500, root: 1_600 } }, "reached init after 1.5 s"],
		[{ phase: "root", phases: { root: 1_600 } }, "reached init after 1.6 s"],
		[{ phase: "agent", phases: { init: 1_500, agent: 1_700 } }, "reached agent after 1.7 s"],
		[{ phase: "dependencies", dependsOn: ["net", "db"], usualBootMs: 2_600 }, "waits for net, db"],
		/** Of a newer broker. */
		[{ phase: "moon", phases: { init: 1_500 } }, "reached moon"],
		[{}, null],
	])("of %j says %s", (boot, words) => {
		expect(formatBooting({ ...nothing, ...boot })).toBe(words);
		expect(formatReached({ ...nothing, ...boot })).toBe(words?.split(/ after|;/)[0] ?? null);
	});
});
