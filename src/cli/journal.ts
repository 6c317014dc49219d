/** The journal of a vm that systemd keeps: its shim's, its vmm's and its helpers' words are there, and systemd's own. */
import { execFile, spawn } from "node:child_process";
import { constants } from "node:os";
import { errnoOf } from "../errors.ts";
import { toSafeText } from "../terminal/safe-text.ts";

/** Of the vm, or of a disposable's instance, whose base's name only the broker knows: an instance is named by its CID. */
export function toUnitGlob(vm: string): string {
	const instance = /^disp-([0-9a-f]{4})$/.exec(vm)?.[1];
	return instance === undefined ? `qubes-lite-${vm}.service` : `qubes-lite-*@${instance}.service`;
}

/** Whether the vm's unit is up, or on its way to or fro. */
export async function isUnitUp(vm: string): Promise<boolean> {
	const words = await ask("systemctl", ["--user", "is-active", toUnitGlob(vm)]);
	return /^(active|activating|deactivating|reloading)$/m.test(words);
}

/** When the journal's last word about the vm was said, ms since 1970; undefined where it has none, or may not be read. */
export async function lastJournalMs(vm: string): Promise<number | undefined> {
	const words = await ask("journalctl", ["--user", "-q", "-n", "1", "-o", "short-unix", "-u", toUnitGlob(vm)]);
	const seconds = /^(\d+\.\d+) /.exec(words)?.[1];
	return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/** Why the journal can't be read, in journalctl's own words, on one line; undefined where it can. */
export function journalProblem(vm: string): Promise<string | undefined> {
	const words = ["--user", "--no-pager", "-n", "1", "-u", toUnitGlob(vm)];
	return new Promise((resolve) => {
		execFile("journalctl", words, { timeout: 5000 }, (error, _stdout, stderr) => {
			const said = toSafeText(stderr).trim().replaceAll(/\s+/g, " ");
			// Without systemd there is none to be read.
			if (said !== "") resolve(said);
			else resolve(error === null || errnoOf(error) === "ENOENT" ? undefined : error.message.split("\n")[0]);
		});
	});
}

/** Resolves with journalctl's exit status. It makes what it shows safe for a terminal itself (journalctl(1), --all). */
export function showJournal(vm: string, { follow, lines }: { follow: boolean; lines: number | null }): Promise<number> {
	const words = ["--user", "-q", "--no-pager", "-u", toUnitGlob(vm)];
	if (follow) words.push("-f");
	if (lines !== null) words.push("-n", String(lines));
	const child = spawn("journalctl", words, { stdio: "inherit" });
	/** From the keys it has it as well; it decides what that ends. */
	process.on("SIGINT", () => {});
	for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? "SIGKILL"]));
	});
}

/** A program's standard output; "" where it is not there or has nothing to say. */
function ask(program: string, words: readonly string[]): Promise<string> {
	return new Promise((resolve) => {
		execFile(program, [...words], { timeout: 5000, maxBuffer: 1024 * 1024 }, (_error, stdout) => resolve(stdout));
	});
}
