/** `qubes-lite completion SHELL`. */
import { QubesLiteError } from "../errors.ts";
import { formatBashCompletion } from "./completion/bash.ts";
import { formatFishCompletion } from "./completion/fish.ts";
import { formatZshCompletion } from "./completion/zsh.ts";

/** One script for both programs, by the shell's name; the installer writes them, too. */
export const completionScripts: Readonly<Record<string, () => string>> = {
	bash: formatBashCompletion,
	zsh: formatZshCompletion,
	fish: formatFishCompletion,
};

export async function printCompletion([shell = ""]: readonly string[]): Promise<number> {
	const format = Object.hasOwn(completionScripts, shell) ? completionScripts[shell] : undefined;
	if (format === undefined) throw new QubesLiteError("BadRequest", `there is no completion for '${shell}'`);
	process.stdout.write(format());
	return 0;
}
