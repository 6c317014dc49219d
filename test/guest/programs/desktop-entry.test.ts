import fc from "fast-check";
import { expect, it } from "vitest";
import { parseApplication, parseExec } from "../../../src/guest/programs/desktop-entry.ts";

const entry = (...lines: string[]) =>
	`# Debian's\n[Desktop Entry]\nType=Application\nName=Firefox\n${lines.join("\n")}\n\n[Desktop Action new]\nName=New\nExec=evil\n`;

it("an application is its first group", () => {
	expect(
		parseApplication(
			entry(
				"Name[de]=Feuerfuchs",
				"Exec = firefox-esr %u",
				"Icon=firefox",
				"Terminal=true",
				"Path=/srv",
				"TryExec=firefox-esr",
			),
		),
	).toEqual({
		...{ name: "Firefox", argv: ["firefox-esr"], terminal: true },
		...{ icon: "firefox", directory: "/srv", tryExec: "firefox-esr" },
	});
});

it.each([
	"Exec=x\nNoDisplay=true",
	"Exec=x\nHidden=true",
	"Exec=x\nOnlyShowIn=GNOME;",
	"Exec=",
	'Exec="x',
	"DBusActivatable=true",
])("what belongs into no menu, or can't be started, is none: %j", (lines) => {
	expect(parseApplication(entry(lines))).toBeUndefined();
});

it("what is no application is none", () => {
	for (const text of [
		"",
		"[Desktop Entry]\nType=Link\nName=x\nExec=x\n",
		"[Other]\nType=Application\nName=x\nExec=x\n",
		"[Desktop Entry]\nType=Application\nExec=x\n",
	]) {
		expect(parseApplication(text)).toBeUndefined();
	}
});

it.each<[string, string[] | undefined]>([
	["prog %f %F %u %U %i %c %k a", ["prog", "a"]],
	["prog --name=%c 100%%", ["prog", "--name=", "100%"]],
	['"/opt/my prog" "a \\"b\\" \\$c \\`d\\` \\\\e" f', ["/opt/my prog", 'a "b" $c `d` \\e', "f"]],
	["  a   b ", ["a", "b"]],
	['a ""', ["a", ""]],
	['sh -c "a; b | c"', ["sh", "-c", "a; b | c"]],
	['""', undefined],
	["%u", undefined],
	["", undefined],
	['a "b', undefined],
	['a"b"', undefined],
])("a command line is words, by no shell: %s", (line, words) => {
	expect(parseExec(line)).toEqual(words);
});

it("takes any text, and no time", () => {
	fc.assert(
		fc.property(fc.string({ unit: "binary", maxLength: 500 }), (text) => {
			parseExec(text);
			parseApplication(entry(`Exec=${text}`));
		}),
	);
	parseExec(`${'"\\'.repeat(50_000)} x`);
	parseExec(`${" ".repeat(100_000)}"`);
	parseApplication(`[Desktop Entry]\nExec${" ".repeat(100_000)}x`);
});
