/** Whether a crosvm knows what its command line will say: its version is 0.1.0 since ever, and options come and go. */
import { errnoOf, QubesLiteError } from "../errors.ts";
import { readHelp } from "./program-help.ts";

/**
 * Throws BootFailed where the crosvm at `argv[0]` can't be run, or lacks an option of `argv`; its extra arguments are its own business.
 */
export function checkCrosvmOptions(argv: readonly string[], extraArgs: readonly string[]): void {
	const [program = "", ...words] = argv;
	const known = optionsOf(program);
	const missing = words.find((word) => /^--[a-z]/.test(word) && !extraArgs.includes(word) && !known.has(word));
	if (missing === undefined) return;
	const orNone = missing === "--gpu" || missing === "--wayland-sock" ? ', or set "gpu": "none"' : "";
	throw new QubesLiteError("BootFailed", `${program} does not know ${missing}: it is too old, or too new, for this`, {
		remedy: `install another crosvm, or name one as "crosvm": {"binary": "/path/to/crosvm"} in the configuration${orNone}`,
	});
}

function optionsOf(program: string): ReadonlySet<string> {
	try {
		const help = [readHelp(program), readHelp(program, ["run", "--help"])].join("\n");
		return new Set(help.match(/(?<![\w-])--[a-z][a-z0-9-]*/g));
	} catch (cause) {
		const why = errnoOf(cause) ?? (cause instanceof Error ? cause.message : "unknown");
		throw new QubesLiteError("BootFailed", `${program} can't be run: ${why}`, {
			remedy: 'correct "crosvm": {"binary": …} in the configuration, or install crosvm',
			cause,
		});
	}
}
