/** Menu entries as they should be, or none at all: with a list of its own of what is ours, and under the lock of installations. */
import { changeFiles, findMissingDirectories, removeEmptyDirectories } from "../change-files.ts";
import { recoverManifest, takeManifest, withManifest } from "../install/kept-manifest.ts";
import { formatManifest, type Manifest, noManifest, readManifest } from "../install/manifest.ts";
import type { WantedFile } from "../install/wanted-files.ts";
import type { DesktopPlaces } from "./desktop-places.ts";
import { type EntryPlan, planEntries } from "./plan-entries.ts";

const again = "qubes-lite desktop sync";

export interface Putting {
	readonly places: DesktopPlaces;
	/** Nothing is changed. */
	readonly isDry: boolean;
	readonly signal?: AbortSignal | undefined;
}

/** Resolves with what has changed. Rejects with all as it was. */
export async function putEntries(
	wanted: readonly WantedFile[],
	{ places, isDry, signal }: Putting,
): Promise<EntryPlan> {
	const last = await recoverList(places, isDry);
	const plan = await planEntries(wanted, last ?? noManifest, places);
	const next = await toNext(plan, last, places);
	// The list alone does not tell: it is the same where one of its files is gone.
	const isDone = plan.changes.length === 0 && formatManifest(next) === formatManifest(last ?? noManifest);
	if (isDry || isDone) return plan;
	signal?.throwIfAborted();
	await applyPlan(plan, last, next, places, signal);
	return plan;
}

/** What it takes to have none of them, and of what list. */
export interface Removal extends EntryPlan {
	readonly last: Manifest | undefined;
	readonly next: Manifest;
}

/** As it would be with nothing wanted. */
export async function planRemoval({ places, isDry }: Pick<Putting, "places" | "isDry">): Promise<Removal> {
	const last = await recoverList(places, isDry);
	const plan = await planEntries([], last ?? noManifest, places);
	return { ...plan, last, next: await toNext(plan, last, places) };
}

/** Takes all of them away. */
export async function removeEntries({ places, isDry, signal }: Putting): Promise<EntryPlan> {
	const removal = await planRemoval({ places, isDry });
	const { changes, last, next } = removal;
	if (!isDry && (last !== undefined || changes.length > 0)) {
		await applyPlan(removal, last, next, places, signal);
		await takeManifest(places.manifest, next.directories);
	}
	return removal;
}

const recoverList = ({ manifest }: DesktopPlaces, isDry: boolean): Promise<Manifest | undefined> =>
	isDry ? readManifest(manifest, again) : recoverManifest({ manifest, runtimeUnits: undefined }, again);

async function toNext(
	{ changes, files }: EntryPlan,
	last: Manifest | undefined,
	{ manifest }: DesktopPlaces,
): Promise<Manifest> {
	const made = changes.filter(({ to }) => to !== undefined).map(({ path }) => path);
	const missing = await findMissingDirectories([...made, manifest]);
	return { files, directories: [...new Set([...(last?.directories ?? []), ...missing])] };
}

async function applyPlan(
	{ changes }: EntryPlan,
	last: Manifest | undefined,
	next: Manifest,
	{ manifest }: DesktopPlaces,
	signal: AbortSignal | undefined,
): Promise<void> {
	await withManifest(manifest, last, next, async () => {
		const changed = await changeFiles(changes, { signal });
		await changed.keep();
	});
	await removeEmptyDirectories(next.directories);
}
