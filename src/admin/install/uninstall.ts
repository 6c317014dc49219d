/** `qubes-lite uninstall`: takes away what install has put somewhere, but for what somebody has changed since. */
import { brokerUnits, unitPattern } from "../../activation/unit-names.ts";
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { type Changed, changeFiles, findMissingDirectories, removeEmptyDirectories } from "../change-files.ts";
import { toDesktopPlaces } from "../desktop/desktop-places.ts";
import { planRemoval, type Removal } from "../desktop/put-entries.ts";
import { sayLeft } from "../desktop/sync.ts";
import { workAlone } from "./installation-lock.ts";
import { recoverManifest, takeManifest, withManifest } from "./kept-manifest.ts";
import { Manager } from "./manager.ts";
import { type Manifest, noManifest, readManifest } from "./manifest.ts";
import { formatPath, formatRemoval, type Places, toPlaces } from "./places.ts";
import { type Plan, planChanges } from "./plan-changes.ts";
import { refuseRunningVms } from "./running-vms.ts";

/** Prints the path of each file that goes; resolves with 0. Throws Busy while vms run, or may run, whose units would go. */
export async function uninstall(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("uninstall", words);
	if (parsed.has("dryRun")) return await takeAway(parsed.has("force"), true);
	return await workAlone(process.env, (signal) => takeAway(parsed.has("force"), false, signal));
}

async function takeAway(isForced: boolean, isDry: boolean, signal?: AbortSignal): Promise<number> {
	const { env } = process;
	const manager = await Manager.find(env);
	const places = toPlaces(env, manager instanceof Manager ? await manager.unitHome() : undefined);
	const last = isDry ? await readManifest(places.manifest) : await recoverManifest(places);
	const plan = await planChanges([], last ?? noManifest, places.units, false);
	const { changes, edited } = plan;
	if (changes.length > 0 && !isForced) await refuseRunningVms(manager, env);
	const menu = await planRemoval({ places: toDesktopPlaces(env), isDry });
	if (!isDry && (changes.length > 0 || last !== undefined || menu.changes.length > 0 || menu.last !== undefined)) {
		await applyRemoval(plan, last, menu, places, manager, signal);
	}
	process.stdout.write([...menu.changes, ...changes].map(({ path }) => formatRemoval(path, isDry)).join(""));
	sayLeft(menu.left);
	if (changes.length + menu.changes.length === 0) process.stderr.write("qubes-lite: nothing is installed\n");
	for (const path of edited) process.stderr.write(`qubes-lite: ${formatPath(path)} was changed by hand, and stays\n`);
	return 0;
}

/** Both lists' files together: all of them, or none. */
async function applyRemoval(
	{ changes, files }: Plan,
	last: Manifest | undefined,
	menu: Removal,
	places: Places,
	manager: Manager | string,
	signal: AbortSignal | undefined,
): Promise<void> {
	const missing = await findMissingDirectories([places.manifest]);
	const directories = [...new Set([...(last?.directories ?? []), ...menu.next.directories, ...missing])];
	const menuManifest = toDesktopPlaces(process.env).manifest;
	signal?.throwIfAborted();
	// Also units of ours that no list has yet: a run that is killed leaves none of them hidden.
	await withManifest(places.manifest, last, { files, directories }, () =>
		withManifest(menuManifest, menu.last, { ...menu.next, directories }, () =>
			withoutBroker(changes.length > 0 ? manager : "", () => changeFiles([...menu.changes, ...changes], { signal })),
		),
	);
	await removeEmptyDirectories(directories);
	await takeManifest(menuManifest, []);
	await takeManifest(places.manifest, directories);
}

/** Stops the broker, and starts it again where the files can't be removed. */
async function withoutBroker(manager: Manager | string, remove: () => Promise<Changed>): Promise<void> {
	if (typeof manager === "string") return (await remove()).keep();
	const wasActive = await manager.isActive(brokerUnits.socket);
	await manager.stop(brokerUnits.socket, brokerUnits.service);
	try {
		const changed = await remove();
		await changed.keep();
	} catch (cause) {
		if (wasActive) await manager.start(brokerUnits.socket).catch(() => undefined);
		throw cause;
	}
	await manager.stopEmptySlices(brokerUnits.slice);
	await manager.reload();
	await manager.reloadBus();
	await manager.forget(unitPattern);
}
