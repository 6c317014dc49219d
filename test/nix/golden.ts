/**
 * What expressions give for fixtures, as it was with nixpkgs' own lib. Goldens are made with that one alone:
 * UPDATE=1 QL_NIXPKGS_LIB=…/lib vitest run --project integration test/nix/module.test.ts test/nix/guest.test.ts
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { evaluate, realLib, root } from "./nix.ts";

const here = join(root, "test/nix");
const directory = join(here, "golden");

/** "good/by-name", … */
export const fixturesIn = (kind: string): string[] =>
	readdirSync(join(here, "fixtures", kind)).map((file) => `${kind}/${file.replace(/\.nix$/, "")}`);

const fileOf = (name: string): string => join(directory, `${name.replace("/", "-")}.json`);

export const goldenFiles = (): string[] => readdirSync(directory).map((file) => join(directory, file));

export const filesOf = (names: readonly string[]): string[] => names.map(fileOf);

/** `expression` with the fixture of that name. */
export function compare(expression: string, name: string, library: string): void {
	const fixture = `./test/nix/fixtures/${name}.nix`;
	const result = evaluate(`test/nix/${expression}`, { fixture, libPath: JSON.stringify(library) });
	if (process.env.UPDATE && library !== "" && library === realLib) {
		writeFileSync(fileOf(name), `${JSON.stringify(result, null, "\t")}\n`);
	}
	expect(result).toEqual(JSON.parse(readFileSync(fileOf(name), "utf8")));
}

/** The golden's value. */
export const read = <T>(name: string): T => (JSON.parse(readFileSync(fileOf(name), "utf8")) as { value: T }).value;
