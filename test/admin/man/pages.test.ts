/** Manual pages: that they hold what the tables hold, and that groff has nothing to say about them. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { formatManPages } from "../../../src/admin/man/pages.ts";
import { formatRoff } from "../../../src/admin/man/roff.ts";
import type { Command, DocumentedOption } from "../../../src/cli/commands/command.ts";
import { commandNames, commands, globalOptions } from "../../../src/cli/commands/qubes-lite.ts";
import { runOptions } from "../../../src/cli/commands/run-in-vm.ts";

const pages = formatManPages("1.2.3");

/** The page as a reader sees it, 78 columns wide. Throws what groff complains of: -ww is every warning that there is. */
function render(roff: string): string {
	const words = ["-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", "-rLL=78n"];
	const { status, stdout, stderr } = spawnSync("groff", words, { input: roff, encoding: "utf8" });
	if (status !== 0 || stderr !== "") throw new Error(`groff: ${stderr}`);
	return stdout;
}

const names = (options: Readonly<Record<string, DocumentedOption>>): string[] =>
	Object.values(options).flatMap((option) => option.names);

describe.each(Object.entries(pages))("%s", (_file, roff) => {
	it("is rendered without a warning", () => {
		expect(render(roff)).toMatch(/^NAME$/m);
		expect(roff).toMatch(/^[\t\n -~]*$/);
	});

	it("has every section that a user looks for, and the version", () => {
		const text = render(roff);
		const sections = ["SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"];
		for (const title of sections) expect(text).toMatch(new RegExp(`^${title}$`, "m"));
		expect(text).toContain("qubes-lite 1.2.3");
	});
});

describe("run-in-vm(1)", () => {
	it("has each option of the table, with its value", () => {
		const text = render(pages["run-in-vm.1"] ?? "");
		for (const name of names(runOptions)) expect(text, name).toMatch(new RegExp(`^ +(.*, )?${name}(,| |\\[|$)`, "m"));
		expect(text).toMatch(/^ +-e, --env K=V$/m);
		expect(text).toMatch(/^ +--disposable\[=BASE\], --dispvm\[=BASE\]$/m);
		for (const { help } of Object.values(runOptions)) {
			expect(text.replaceAll(/\s+/g, " ")).toContain(help.slice(1).replaceAll("…", "..."));
		}
	});
});

describe("qubes-lite(1)", () => {
	it("has each command of the table with its options", () => {
		const text = render(pages["qubes-lite.1"] ?? "");
		for (const name of commandNames) {
			const command: Command = commands[name];
			const [, section = ""] = text.split(new RegExp(`^       ${name}(?: .*)?$`, "m"));
			const [own = ""] = section.split(/^ {7}\S/m);
			expect(own.replaceAll(/\s+/g, " "), name).toContain(command.help.slice(1));
			for (const [key, option] of Object.entries(command.options)) {
				if (key === "help") continue;
				for (const spelling of option.names) expect(own, `${name} ${spelling}`).toContain(spelling);
			}
		}
		for (const name of names(globalOptions)) expect(text).toContain(name);
	});
});

describe("roff", () => {
	it("keeps every character of a line, whatever it means to groff", () => {
		const code = [".TH", "'quoted' \"twice\"", "\\fB\\n", "a-b --c", "~/x ^D", "$1 %t %%", "#x", "\\"];
		const sections = [
			{ title: 'A "title"', blocks: ["`.b` is a dot", { code }, { terms: [{ term: "'t", blocks: [".x"] }] }] },
		];
		const text = render(formatRoff({ name: "x", version: "1", sections }));
		expect(text.split("\n").map((line) => line.trim())).toEqual(expect.arrayContaining(code));
		expect(text).toContain('A "title"');
		expect(text).toContain("       .b is a dot\n");
		expect(text).toMatch(/^ +'t +\.x$/m);
	});
});
