/** mktuntap, built by its Makefile for one test file, and shells that run it, in networks of their own where they need one. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { accessSync, chmodSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect } from "vitest";

const source = fileURLToPath(new URL("../../nix/mktuntap/", import.meta.url));
const hangBoundMs = 10_000;

/** Of this file's tests; others may enter it. */
export const directory = mkdtempSync(join(tmpdir(), "ql-mktuntap-"));
const { TUNTAP_NAME: _, ...inherited } = process.env;
/** What a script finds the program as. */
const environment = { ...inherited, mktuntap: join(directory, "mktuntap") };

beforeAll(() => {
	chmodSync(directory, 0o755);
	make(directory, "CC=cc");
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs its Makefile in the directory `into`. A warning is a failure. */
export function make(into: string, ...words: readonly string[]): void {
	const makefile = [`--file=${source}Makefile`, `VPATH=${source}`, "CFLAGS=-O2 -Werror"];
	const { status, stderr } = spawnSync("make", [...makefile, ...words], { cwd: into, encoding: "utf8" });
	expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

const said = ({ status, stdout, stderr }: SpawnSyncReturns<string>) => ({ status, stdout, stderr });

/** Runs the shell's `script` with the tests' rights, to the end. */
export function sh(script: string, within: readonly string[] = []) {
	const [program = "", ...words] = [...within, "sh", "-c", script];
	return said(spawnSync(program, words, { encoding: "utf8", env: environment, timeout: hangBoundMs }));
}

/** The same, as a root in a network where nothing else is. */
export const inNetwork = (script: string) => sh(script, ["unshare", "--map-root-user", "--net", "--mount"]);

/** What the command says of its failure on stderr, where it says nothing else. */
export const failed = (status: number, sentence: string) => ({ status, stdout: "", stderr: `mktuntap: ${sentence}\n` });

/** Whether this machine lets us make interfaces in a network of our own. */
export function canMakeInterfaces(): boolean {
	try {
		accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
		return spawnSync("unshare", ["--map-root-user", "--net", "true"]).status === 0;
	} catch {
		return false;
	}
}
