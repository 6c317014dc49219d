/** `qubes-lite desktop remove`: takes away all that `desktop sync` has put somewhere. */
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { workAlone } from "../install/installation-lock.ts";
import { toDesktopPlaces } from "./desktop-places.ts";
import { removeEntries } from "./put-entries.ts";
import { formatChanges, say, sayLeft } from "./sync.ts";

/** Prints what goes; resolves with 0. */
export async function removeDesktop(words: readonly string[]): Promise<number> {
	const isDry = parseCommand("desktop remove", words).has("dryRun");
	const places = toDesktopPlaces(process.env);
	const take = (signal?: AbortSignal) => removeEntries({ places, isDry, signal });
	const { changes, left } = await (isDry ? take() : workAlone(process.env, take));
	process.stdout.write(formatChanges(changes, isDry));
	sayLeft(left);
	if (changes.length === 0) say("nothing of ours is in the menu");
	return 0;
}
