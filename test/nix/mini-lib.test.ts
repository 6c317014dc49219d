/** mini-lib.nix against nixpkgs' own lib, case by case: what that gave is in mini-lib.json (golden.ts has the command). */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { evaluate, evaluated, libraries, realLib, root } from "./nix.ts";

const file = join(root, "test/nix/mini-lib.json");
const cases = evaluated("test/nix/lib-cases.nix", { libPath: '""' }) as string[];
const look = (name: string, library: string) =>
	evaluate("test/nix/lib-cases.nix", { libPath: JSON.stringify(library), name: JSON.stringify(name) });

if (process.env.UPDATE && realLib !== undefined) {
	const all = Object.fromEntries(cases.map((name) => [name, look(name, realLib ?? "")]));
	writeFileSync(file, `${JSON.stringify(all, null, "\t")}\n`);
}
const known = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;

it.each(libraries.flatMap(([title, library]) => cases.map((name) => [name, title, library] as const)))(
	"%s is the same, by %s",
	(name, _, library) => {
		expect(look(name, library)).toEqual(known[name]);
	},
);

it("each of the kept cases is one", () => {
	expect(Object.keys(known).sort()).toEqual([...cases].sort());
});
