/** Brings a shim into being: a process that waits, in a session of its own, to be told to go on. */

import { identifyProcess, type ProcessIdentity } from "./process-identity.ts";
import { shimPath } from "./shim-script.ts";

export interface WaitingShim {
	readonly identity: ProcessIdentity;
	/** Lets it start what it was made for; from here on it needs nobody. */
	proceed(): void;
	/** Ends it without a start; resolves when it is gone. The broker's own end does the same. */
	dismiss(): Promise<void>;
}

/** Spawns `shell` on the shim, with these words. Throws a system error that tells the resource that was missing. */
export async function spawnShim(
	shell: readonly [string, ...string[]],
	words: readonly string[],
	{ cwd, environment }: { readonly cwd: string; readonly environment: Readonly<Record<string, string>> },
): Promise<WaitingShim> {
	// Loaded when first needed: it is a fifth of the broker's start.
	const { execa } = await import("execa");
	const [file, ...args] = shell;
	const shim = execa(file, [...args, shimPath, ...words], {
		cwd,
		env: environment,
		extendEnv: false,
		detached: true,
		cleanup: false,
		stdio: ["pipe", "ignore", "ignore"],
		reject: false,
	});
	// A shim that was killed can't be told anything; its watcher will notice.
	shim.stdin.on("error", () => undefined);
	const identity = shim.pid === undefined ? undefined : identifyProcess(shim.pid);
	if (identity === undefined) throw (await shim).cause ?? new Error("the shim ended at once");
	shim.nodeChildProcess.unref();
	return {
		identity,
		proceed: () => void shim.stdin.end("go\n"),
		async dismiss() {
			shim.nodeChildProcess.ref();
			shim.stdin.end();
			await shim;
		},
	};
}
