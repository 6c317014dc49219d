import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { and, createMachine, not } from "xstate";
import { vmMachine } from "../../src/statemachines/vm.machine.ts";
import { renderStateTable } from "./state-table.ts";

const architecture = new URL("../../ARCHITECTURE.md", import.meta.url);
const section = /(?<=<!-- state table -->\n)[\s\S]*?(?=<!-- \/state table -->)/;

test("ARCHITECTURE.md shows the vm's machine as it is (UPDATE=1 npx vitest run --project unit state-table rewrites it)", () => {
	const wanted = `\n${renderStateTable(vmMachine)}\n\n`;
	const text = readFileSync(architecture, "utf8");
	expect(text).toMatch(section);
	if (process.env.UPDATE === "1")
		writeFileSync(
			architecture,
			text.replace(section, () => wanted),
		);
	else expect(section.exec(text)?.[0]).toBe(wanted);
});

test("a table has a row for each choice, in order, and one for all the events that share their choices", () => {
	const machine = createMachine({
		id: "door",
		initial: "open",
		on: { "house.burnt": ".gone" },
		states: {
			open: {
				on: {
					"hand.pushed": [{ guard: "isLocked" }, { target: "shut" }],
					"wind.blew": [{ guard: "isLocked" }, { target: "shut" }],
				},
				after: { patience: { guard: and(["isCold", not("isLocked")]), target: "shut" } },
			},
			shut: { always: { guard: "isBroken", target: "open" } },
			gone: {},
		},
	});
	expect(renderStateTable(machine)).toBe(
		[
			"| state | event | guard | target |",
			"|---|---|---|---|",
			"| (any) | (begin) | | open |",
			"| | house.burnt | | gone |",
			"| open | hand.pushed, wind.blew | isLocked | — |",
			"| | | | shut |",
			"| | after patience | isCold and not isLocked | shut |",
			"| shut | (always) | isBroken | open |",
		].join("\n"),
	);
});

test("a guard without a name is refused, for nobody could read it", () => {
	const machine = createMachine({ on: { "door.knocked": { guard: () => true } } });
	expect(() => renderStateTable(machine)).toThrow("a guard without a name");
});
