import { expect, it } from "vitest";
import { parseConfig } from "../../src/config/loader.ts";

const parse = (vm: object, file: object = {}) =>
	parseConfig(JSON.stringify({ version: 1, ...file, vms: [{ id: 5, name: "shopping", ...vm }] }), "c.json");
const firefox = { id: "firefox", name: "Firefox", command: ["firefox-esr"] };

it("a vm has programs for the menu, and a handler", () => {
	const full = { ...firefox, id: "org.x.Y_1", terminal: true, icon: "/i/a b.svg", categories: ["Network"] };
	const { desktop, vms } = parse({ programs: [firefox, full], open: ["my-open", "--new"] }, { desktop: false });
	expect(desktop).toBe(false);
	expect(vms[0]).toMatchObject({
		programs: [{ ...firefox, terminal: false, categories: [] }, full],
		open: ["my-open", "--new"],
	});
	expect(Object.keys(vms[0]?.programs[0] ?? {})).not.toContain("icon");
});

it.each<[object, string]>([
	[{ programs: [{ ...firefox, id: "../x" }] }, 'vms[0].programs[0].id is "../x"; expected a letter or digit, then'],
	[{ programs: [firefox, firefox] }, "expected each id once"],
	[{ programs: [{ ...firefox, name: "a\nExec=x" }] }, "vms[0].programs[0].name is "],
	[{ programs: [{ ...firefox, name: " " }] }, "expected a name of 1 to 64 characters"],
	[{ programs: [{ ...firefox, command: [] }] }, "vms[0].programs[0].command is []; expected a list of the command"],
	[{ programs: [{ ...firefox, command: ["-rf"] }] }, "expected a list of the command and its arguments"],
	[{ programs: [{ ...firefox, command: ["x", "\u0007"] }] }, "vms[0].programs[0].command[1] is "],
	[{ programs: [{ ...firefox, icon: "a.png" }] }, "vms[0].programs[0].icon is "],
	[{ programs: [{ ...firefox, icon: "/a.gif" }] }, "expected an absolute path that ends with .png or .svg"],
	[{ programs: [{ ...firefox, categories: ["Web"] }] }, "expected one of AudioVideo, "],
	[{ programs: [{ ...firefox, comand: [] }] }, 'no such key: did you mean "command"?'],
	[{ programs: [{ id: "x", name: "X" }] }, "vms[0].programs[0].command is missing; expected"],
	[
		{ programs: Array.from({ length: 65 }, (_, index) => ({ ...firefox, id: `p${index}` })) },
		"expected at most 64 programs",
	],
	[{ open: "xdg-open" }, 'vms[0].open is "xdg-open"; expected a list of the command and its arguments'],
	[{ open: [""] }, "expected a list of the command and its arguments"],
])("what is wrong is told with its place: %#", (vm, message) => {
	expect(() => parse(vm)).toThrow(message);
});
