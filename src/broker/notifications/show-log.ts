/** A vm's log for somebody who has no terminal before them: as a file of text, in whatever the desktop opens such with. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { readRingTail } from "../../activation/log-ring.ts";
import { ringFileBytes, vmFiles } from "../../launch-plan.ts";
import { toSafeText } from "../../terminal/safe-text.ts";

/** A viewer that has not failed by then is there: some stay for as long as their window is open. */
const opensWithinMs = 5_000;

export interface LogPlaces {
	/** `$XDG_RUNTIME_DIR/qubes-lite`: what is written there is gone at the logout. */
	readonly runtimeDirectory: string;
	readonly stateDirectory: string;
}

export interface ShownLog {
	readonly vm: string;
	/** What of it is up has its logs here; "": nothing is. */
	readonly directory: string;
	/** What it is about. It comes first, so that no word of a guest's decides what kind of file this is. */
	readonly headline: string;
}

/** Resolves with the file. Rejects where it can't be written. */
export async function writeLog(log: ShownLog, { runtimeDirectory, stateDirectory }: LogPlaces): Promise<string> {
	const read = (name: string): Promise<Buffer> =>
		log.directory === ""
			? readRingTail(join(stateDirectory, "logs"), `${log.vm}.${name}`, ringFileBytes)
			: readRingTail(log.directory, name, ringFileBytes);
	const [said, console] = [await read(vmFiles.log), await read(vmFiles.console)];
	const parts = [
		...[toSafeText(log.headline), "", "What its vmm and its helpers said:", "", wordsOf(said)],
		...["", "What its guest wrote to its console:", "", wordsOf(console)],
		...["", `More of it: qubes-lite logs ${log.vm}`, ""],
	];
	const path = join(runtimeDirectory, `${log.vm}.log.txt`);
	await writeFile(`${path}.tmp`, parts.join("\n"), { mode: 0o600 });
	await rename(`${path}.tmp`, path);
	return path;
}

const wordsOf = (bytes: Buffer): string => (bytes.length === 0 ? "(nothing)" : toSafeText(bytes).trimEnd());

/**
 * Opens a file as the desktop does; resolves with whether that has begun. Never rejects. `isService`: we are a service of the user
 * manager, whose environment and restrictions are no program's with a window: it starts one of its own for it.
 */
export async function openFile(path: string, isService: boolean): Promise<boolean> {
	const words = isService ? [...asService, "xdg-open", path] : ["xdg-open", path];
	const [program = "", ...rest] = words;
	const opener = execa(program, rest, { stdio: "ignore", detached: true, cleanup: false, reject: false });
	const { promise, resolve } = Promise.withResolvers<boolean>();
	const timer = setTimeout(() => resolve(true), opensWithinMs).unref();
	void opener.then(({ failed }) => resolve(!failed));
	return promise.finally(() => clearTimeout(timer));
}

/** What it starts outlives it (systemd.kill(5)); it ends as xdg-open does. */
const asService = ["systemd-run", "--user", "--collect", "--quiet", "--wait", "--property=KillMode=process"];
