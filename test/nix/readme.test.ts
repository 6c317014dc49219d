/** README's section on NixOS: the seed's snippets byte for byte, and tables made from the options (UPDATE=1 makes them anew). */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { evaluated, root } from "./nix.ts";

const file = join(root, "README.md");

interface Option {
	readonly name: string;
	readonly type: string;
	/** null: it has to be set. */
	readonly default: string | null;
	readonly description: string;
}

const snippets = ["flake-input", "quick-start", "custom-config", "offline"];

it.each(snippets)("has the seed's snippet: %s", (name) => {
	const text = readFileSync(join(root, "test/nix/fixtures/seed", `${name}.nix`), "utf8");
	expect(readFileSync(file, "utf8")).toContain(`\n\`\`\`nix\n${text}\`\`\`\n`);
});

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

function toTable(options: readonly Option[]): string {
	const rows = options.map(({ name, type, default: value, description }) =>
		[`\`${name}\``, cell(type), value === null ? "required" : `\`${value}\``, cell(description)].join(" | "),
	);
	return ["Option | Type | Default | Description", "---|---|---|---", ...rows].map((row) => `| ${row} |\n`).join("");
}

it.each([
	["options", "module"],
	["vm options", "vm"],
] as const)("has the table of %s as they are", (mark, key) => {
	const options = evaluated("test/nix/describe-options.nix", { libPath: '""' }) as Record<string, readonly Option[]>;
	const [begin, end] = [`<!-- ${mark} -->\n`, `<!-- /${mark} -->\n`];
	const text = readFileSync(file, "utf8");
	const [before = "", rest = ""] = text.split(begin);
	const [, after = ""] = rest.split(end);
	const wanted = `${before}${begin}${toTable(options[key] ?? [])}${end}${after}`;
	if (process.env.UPDATE) writeFileSync(file, wanted);
	expect(readFileSync(file, "utf8")).toBe(wanted);
});
