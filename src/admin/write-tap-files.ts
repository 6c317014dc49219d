/** The files of `qubes-lite host tap --print --out DIR`. */
import { join } from "node:path";
import { QubesLiteError } from "../errors.ts";
import { shellWord } from "../shell-word.ts";
import { type Change, changeFiles, lookAt } from "./change-files.ts";
import { madeByUs, type TapFile } from "./host/tap-files.ts";
import { whileInterruptible } from "./interruption.ts";

/** All or none; resolves with their paths. Rejects with Denied where there is a file of that name that does not say it is ours. */
export async function writeTapFiles(directory: string, files: readonly TapFile[]): Promise<string[]> {
	const changes: Change[] = [];
	for (const { name, text, mode } of files) {
		const path = join(directory, name);
		const found = await lookAt(path);
		if (found !== undefined && (found === "other" || found.kind !== "file" || !found.text.startsWith(madeByUs))) {
			throw new QubesLiteError("Denied", `${path} is there and not by us, so nothing is written`, {
				remedy: `mv ${shellWord(path)} ${shellWord(`${path}.mine`)}`,
			});
		}
		changes.push({ path, to: { kind: "file", text, ...(mode !== undefined && { mode }) } });
	}
	await whileInterruptible(async (signal) => {
		await (await changeFiles(changes, { mark: `qubes-lite-${process.pid}`, signal })).keep();
	});
	return changes.map(({ path }) => path);
}
