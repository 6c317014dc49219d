/**
 * The variables by which a broker that systemd starts would look elsewhere than the shell that asks: systemd gives it the user manager's
 * environment. Pure but for programs that are looked for.
 */
import { resolve } from "node:path";
import { formatUnitVariable } from "../activation/unit-quoting.ts";
import type { Environment } from "../config/find-config.ts";
import { QubesLiteError } from "../errors.ts";
import { findProgram } from "../host/programs.ts";
import { cacheHomeOf, configHomeOf, stateHomeOf } from "../host/xdg.ts";

export interface ServiceVariable {
	readonly name: string;
	/** What the service must have to look where the shell looks. */
	readonly value: string;
}

/** Where each of them leads, the default included. A configuration that is empty is none. */
const places: Readonly<Record<string, (env: Environment) => string>> = {
	QUBES_LITE_CONFIG: ({ QUBES_LITE_CONFIG: named }) => (named ? resolve(named) : ""),
	XDG_CONFIG_HOME: (env) => resolve(configHomeOf(env)),
	XDG_CACHE_HOME: (env) => resolve(cacheHomeOf(env)),
	XDG_STATE_HOME: (env) => resolve(stateHomeOf(env)),
};

/** What the broker looks for on PATH. What the shim needs is looked for by the vms' units, which have the manager's PATH. */
const brokerPrograms = ["qemu-system-x86_64", "vhost-device-vsock", "virtiofsd"];

/**
 * What a service with the environment `service` lacks to look where `shell` does. PATH is among it only where it leads to other
 * programs: a shell's has much else, and changes with each terminal. A PATH that is not known is not judged.
 */
export function findLacking(shell: Environment, service: Environment): ServiceVariable[] {
	const lacking = Object.entries(places).flatMap(([name, placeOf]) =>
		placeOf(shell) === placeOf(service) ? [] : [{ name, value: placeOf(shell) }],
	);
	const [here = "", there = here] = [shell.PATH, service.PATH];
	const isOther = (name: string): boolean => {
		const found = findProgram(here, name);
		return found !== undefined && found !== findProgram(there, name);
	};
	return brokerPrograms.some(isOther) ? [...lacking, { name: "PATH", value: here }] : lacking;
}

const heading = "\n# Where the shell looks that has installed this, and systemd's services would not:\n";

/** The unit of a service, whose last section is [Service], with these variables. Throws Unsupported for a value that systemd takes in no variable. */
export function addVariables(unit: string, variables: readonly ServiceVariable[]): string {
	if (variables.length === 0) return unit;
	const lines = variables.map(({ name, value }) => {
		try {
			return `${formatUnitVariable(name, value)}\n`;
		} catch (cause) {
			throw new QubesLiteError("Unsupported", (cause as Error).message, { remedy: `echo "$${name}"`, cause });
		}
	});
	return unit + heading + lines.join("");
}

/** Undoes `addVariables`. */
export const removeVariables = (unit: string): string => unit.split(heading)[0] ?? unit;

/**
 * What systemctl(1) prints of an environment: `show-environment` a variable on each line, `show --property=Environment` all of them on one. A
 * value with anything special in it is quoted, "so" or $'so' (systemd's shell_maybe_quote).
 */
export function parseVariables(text: string): Environment {
	return Object.fromEntries(
		parseWords(text).map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]),
	);
}

/** Words as systemctl(1) prints a list of them. */
export function parseWords(text: string): string[] {
	const words = text.match(/(?:\$'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s"'])+/gs) ?? [];
	return words.map((word) =>
		word.replaceAll(/\$'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"/gs, (_, c?: string, quoted = "") =>
			c === undefined ? quoted.replaceAll(/\\(.)/gs, "$1") : unescapeC(c),
		),
	);
}

const controls: Readonly<Record<string, string>> = {
	...{ a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" },
};

/** Octal numbers are bytes of what is no UTF-8, and never of a path that matters here: each is taken as a character. */
const unescapeC = (text: string): string =>
	text.replaceAll(/\\(?:([0-7]{3})|(.))/gs, (_, octal?: string, character = "") =>
		octal === undefined ? (controls[character] ?? character) : String.fromCharCode(Number.parseInt(octal, 8)),
	);
