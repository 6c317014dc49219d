/** The directory of a vm: ours alone, or refused. */
import { lstat, mkdir } from "node:fs/promises";
import { errnoOf, QubesLiteError } from "../errors.ts";

/**
 * Makes `directory`, 0700 whatever the umask; true if it was not there. Throws BootFailed for something else in its
 * place (a symlink is never followed), another owner, or a mode that lets others in.
 */
export async function makeVmDirectory(directory: string): Promise<boolean> {
	try {
		await mkdir(directory, { mode: 0o700 });
		return true;
	} catch (error) {
		if (errnoOf(error) !== "EEXIST") throw error;
	}
	const problem = await findProblem(directory);
	if (problem === undefined) return false;
	throw new QubesLiteError("BootFailed", `${directory} ${problem}, so nothing is started in it.`, {
		remedy: `ls -ld ${directory}, and remove it if you don't need it`,
	});
}

/** Whether it is a directory of ours that others can't enter. */
export async function isVmDirectory(directory: string): Promise<boolean> {
	try {
		return (await findProblem(directory)) === undefined;
	} catch (error) {
		if (errnoOf(error) === "ENOENT") return false;
		throw error;
	}
}

async function findProblem(directory: string): Promise<string | undefined> {
	const stat = await lstat(directory);
	if (!stat.isDirectory()) return "is not a directory";
	if (stat.uid !== process.getuid?.()) return "belongs to another user";
	return (stat.mode & 0o077) === 0 ? undefined : "can be entered by other users";
}
