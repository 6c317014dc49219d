/** What crosvm's exit status says, with --extended-status (main.rs, CommandStatus). Pure. */
import type { VmmEnd } from "./driver.ts";

const failed = (sentence: string, more: { readonly words?: string; readonly remedy?: string } = {}): VmmEnd => ({
	kind: "failed",
	sentence,
	...more,
});

const byCode: Readonly<Record<number, (log: string) => VmmEnd>> = {
	0: () => ({ kind: "poweredOff" }),
	1: toError,
	/** Also a kernel that panics where it has no driver of pvpanic: crosvm puts panic=-1 on its line. */
	32: () => ({ kind: "rebooted" }),
	33: () => failed("crashed, or lost one of its devices"),
	34: () => failed("ended because its guest's kernel panicked"),
	35: (log) =>
		failed("does not understand its command line", {
			...wordsOf(/arg parsing failed: ([^\n]+)/.exec(log)?.[1]),
			remedy: 'install a newer crosvm, or correct "extraArgs" in the configuration',
		}),
	36: () => failed("ended because its guest's processors stood still"),
};

/** What it says when it knows its end, before it waits for its children. */
const announced: readonly (readonly [string, number])[] = [
	["vcpu requested shutdown", 0],
	["vcpu requested reset", 32],
	["vcpu crashed", 33],
	["device crashed", 33],
	["guest panic event", 34],
	["vcpu stall detected", 36],
];

/**
 * Children that don't end within a second are ended with all of its process group, and so itself (sys/linux/main.rs, cleanup): what it
 * had announced before counts, and without that it was told to stop.
 */
export function toCrosvmEnd(code: number | null, signal: string | null, log: string): VmmEnd {
	if (signal === "SIGKILL" && log.includes("not all child processes have exited; sending SIGKILL")) {
		const last = announced.toSorted(([a], [b]) => log.lastIndexOf(b) - log.lastIndexOf(a))[0];
		return toCrosvmEnd(last !== undefined && log.includes(last[0]) ? last[1] : 0, null, log);
	}
	if (signal === "SIGABRT") return toAbort(log);
	if (signal !== null) return failed(`was ended by ${signal}`);
	return (byCode[code ?? -1] ?? (() => failed(`ended with status ${code}`)))(log);
}

/** minijail, which makes the sandbox, has no errors but aborts: of user namespaces, and of more open files than the user may have. */
function toAbort(log: string): VmmEnd {
	const words = /libminijail\[\d+\]: ([^\n]+)/.exec(log)?.[1];
	if (words === undefined) return failed("met a fault of its own and aborted");
	const remedy = /rlimit/.test(words)
		? 'raise the hard limit of open files to 32768 (ulimit -Hn; /etc/security/limits.conf), or set "crosvm": {"sandbox": false}'
		: jailRemedy;
	return failed("could not make its sandbox", { words, remedy });
}

const jailRemedy =
	'allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or set "crosvm": {"sandbox": false}';

/** `exiting with error 1: WHAT`, and below it, one a line, what that was caused by (anyhow's {:?}). */
function toError(log: string): VmmEnd {
	const told = /exiting with error 1: ([\s\S]*?)(?:\n\s*Stack backtrace:|$)/.exec(log)?.[1] ?? "";
	const [what = "", ...rest] = told.split("\n").map((line) => line.trim());
	const isCause = (line: string): boolean => line !== "" && line !== "Caused by:";
	const cause = rest
		.filter(isCause)
		.at(-1)
		?.replace(/^\d+: /, "");
	const words = [what, cause].filter((part) => part !== undefined && part !== "").join(": ");
	const isJail = /jail|pivot|namespace/i.test(words);
	return failed("ended with status 1", {
		...wordsOf(words),
		...(isJail && { remedy: jailRemedy }),
	});
}

const wordsOf = (words: string | undefined): { readonly words?: string } =>
	words === undefined || words === "" ? {} : { words };
