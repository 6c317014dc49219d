/** Programs of ours beside this one, each for work that needs more than a broker's socket: the client that everybody starts stays small. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { ignoredAtStart } from "./ignored-signals.ts";

/** From the keys, which reach it as well: it decides what they end. */
const fromKeys = ["SIGINT", "SIGQUIT"] as const;
/** Sent to us alone. */
const passedOn = ["SIGTERM", "SIGHUP"] as const;

/**
 * Resolves with its exit status, 128 + the number of the signal that ended it. Rejects where it can't be started. What was ignored at our start, as under
 * nohup(1), neither it nor what it starts hears of: Node makes all of them forget what is ignored, and so it has a session of its own, which only we signal.
 */
export function runOtherProgram(
	bundle: "image.mjs" | "admin.mjs" | "copy.cjs",
	words: readonly string[],
): Promise<number> {
	const path = fileURLToPath(new URL(`./${bundle}`, import.meta.url));
	const isApart = ignoredAtStart.length > 0;
	const child = spawn(process.execPath, [path, ...words], { stdio: "inherit", detached: isApart });
	const relayed: readonly string[] = isApart ? [...fromKeys, ...passedOn] : passedOn;
	for (const signal of [...fromKeys, ...passedOn]) {
		const isHeard = relayed.includes(signal) && !ignoredAtStart.includes(signal);
		process.on(signal, () => isHeard && child.kill(signal));
	}
	return new Promise((resolve, reject) => {
		child.once("error", (cause) => {
			reject(new QubesLiteError("Internal", `${bundle} cannot be started (${errnoOf(cause)})`, { cause }));
		});
		child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? "SIGKILL"]));
	});
}
