/**
 * `admin COMMAND WORDS…`: the commands of qubes-lite that need no broker, in a program of their own, so that the client that
 * everybody starts stays small. stdout is data, stderr is words; exit 0 done, 1 failed, 2 usage.
 */

import { UsageError } from "../cli/commands/parse-command.ts";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { endBy, Interrupted } from "./interruption.ts";
import { sayError } from "./say-error.ts";

/** Takes the words behind the command's name; resolves with the exit status. */
export type AdminCommand = (words: readonly string[]) => Promise<number>;

/** Each imported when it is asked for: a completion does not wait for the doctor. */
const commands: Readonly<Record<string, () => Promise<AdminCommand>>> = {
	completion: async () => (await import("./print-completion.ts")).printCompletion,
	"vm-names": async () => (await import("./vm-names.ts")).printVmNames,
	units: async () => (await import("./units/write-units.ts")).units,
	install: async () => (await import("./install/install.ts")).install,
	uninstall: async () => (await import("./install/uninstall.ts")).uninstall,
	"print-argv": async () => (await import("./print-argv.ts")).printArgv,
	"host tap": async () => (await import("./host-tap.ts")).hostTap,
	"desktop sync": async () => (await import("./desktop/sync.ts")).desktopSync,
	"desktop ls": async () => (await import("./desktop/list-programs.ts")).listPrograms,
	"desktop colors": async () => (await import("./desktop/color-rules.ts")).printColorRules,
	"desktop remove": async () => (await import("./desktop/remove.ts")).removeDesktop,
	open: async () => (await import("./open/open.ts")).open,
	"clip copy": async () => (await import("./clip/clip.ts")).clipCopy,
	"clip paste": async () => (await import("./clip/clip.ts")).clipPaste,
	"policy lint": async () => (await import("./policy/lint.ts")).lintPolicy,
	"policy explain": async () => (await import("./policy/explain.ts")).explainPolicy,
	doctor: async () => (await import("./doctor/doctor.ts")).doctor,
};

async function main([name = "", ...words]: readonly string[]): Promise<number> {
	const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
	if (load === undefined) throw new UsageError(`there is no command '${name}'`);
	const command = await load();
	return await command(words);
}

/** Whoever reads no further has what they wanted; a full disk has not. */
process.stdout.on("error", (cause) => {
	if (errnoOf(cause) === "EPIPE") return;
	sayError(new QubesLiteError("Internal", `the output cannot be written: ${cause.message}`));
	process.exitCode = 1;
});
main(process.argv.slice(2)).then(
	(done) => {
		process.exitCode ??= done;
	},
	(cause: unknown) => {
		const error = QubesLiteError.from(cause);
		sayError(error);
		if (error instanceof Interrupted) endBy(error);
		process.exitCode = error instanceof UsageError ? 2 : 1;
	},
);
