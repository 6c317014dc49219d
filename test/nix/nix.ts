/** Nix, as Debian has it: expressions evaluated without a store, and small derivations built in a store of their own. No network. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** nixpkgs' own `lib` where there is one: what is tested with the small one is tested with that, too. */
export const realLib = process.env.QL_NIXPKGS_LIB;
export const libraries: readonly (readonly [string, string])[] = [
	["our small lib", ""],
	...(realLib === undefined ? [] : [["nixpkgs' lib", realLib] as const]),
];

const withinMs = 60_000;

const settings = ["build-users-group =", "substituters =", "warn-dirty = false", "sandbox = false"];
const features = "experimental-features = nix-command flakes";

export type Ran = Pick<SpawnSyncReturns<string>, "status" | "stdout" | "stderr">;

/** A program of Nix's, in the source tree. `env`: where its store is, and its home. */
export function nix(
	program: string,
	words: readonly string[],
	env: Readonly<Record<string, string>>,
	timeout = withinMs,
): Ran {
	const { status, stdout, stderr } = spawnSync(program, words, {
		...{ cwd: root, encoding: "utf8", timeout, maxBuffer: 64 * 1024 * 1024 },
		env: { PATH: process.env.PATH, NIX_CONFIG: [...settings, features].join("\n"), ...env },
	});
	return { status, stdout, stderr };
}

/** No file is written, nowhere. */
const noStore = { NIX_REMOTE: "dummy://", HOME: "/nonexistent" };

/** The value of a file that is a function of attributes, or its error's first line. Values are expressions of Nix. */
export function evaluate(
	file: string,
	attributes: Readonly<Record<string, string>> = {},
): { value: unknown } | { error: string } {
	const words = Object.entries(attributes).flatMap(([name, value]) => ["--arg", name, value]);
	const ran = nix("nix-instantiate", ["--eval", "--strict", "--json", file, ...words], noStore);
	if (ran.status === 0) return { value: JSON.parse(ran.stdout) };
	const line = ran.stderr.split("\n").find((one) => one.startsWith("error: ")) ?? ran.stderr;
	// What the value was, where it is, and what an inner type says of it, versions tell differently.
	return { error: line.slice("error: ".length).replace(/ (?:Definition values|TypeError):.*$|, in `.*(?=\.$)/, "") };
}

/** The value of one that has it. */
export function evaluated(file: string, attributes: Readonly<Record<string, string>> = {}): unknown {
	const result = evaluate(file, attributes);
	if ("error" in result) throw new Error(result.error);
	return result.value;
}

/** Whether a text is one of Nix's. */
export function parse(text: string): void {
	const { status, stderr } = spawnSync("nix-instantiate", ["--parse", "-"], {
		...{ input: text, encoding: "utf8", timeout: withinMs },
		env: { PATH: process.env.PATH, NIX_CONFIG: settings.join("\n"), ...noStore },
	});
	expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}
