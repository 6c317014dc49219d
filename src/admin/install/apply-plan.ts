/** Puts what an installation changes into its places, and tells systemd. */
import { basename, join } from "node:path";
import { brokerUnits, toUnitFileName } from "../../activation/unit-names.ts";
import { type Change, changeFiles, findMissingDirectories, removeEmptyDirectories } from "../change-files.ts";
import { isOlderThanProgram } from "../doctor/broker-check.ts";
import { withManifest } from "./kept-manifest.ts";
import type { Manager } from "./manager.ts";
import type { Manifest } from "./manifest.ts";
import type { Places } from "./places.ts";
import type { Plan, PlannedChange } from "./plan-changes.ts";

/** `last`: what was installed before. Rejects with all as it was; so also where `signal` says so in time. */
export async function applyPlan(
	plan: Plan,
	last: Manifest | undefined,
	places: Places,
	manager: Manager | string,
	signal: AbortSignal | undefined,
): Promise<void> {
	const kept = typeof manager === "string" ? [] : await toKeptUnits(plan.changes, places, manager);
	const paths = [...plan.changes.filter(({ to }) => to !== undefined).map(({ path }) => path), places.manifest];
	const directories = [...new Set([...(last?.directories ?? []), ...(await findMissingDirectories(paths))])];
	signal?.throwIfAborted();
	// Before all others: what a run puts somewhere that is killed is listed.
	await withManifest(places.manifest, last, { files: plan.files, directories }, async () => {
		const changed = await changeFiles([...kept, ...plan.changes], { signal });
		if (typeof manager !== "string") {
			const wasActive = await manager.isActive(brokerUnits.socket);
			try {
				signal?.throwIfAborted();
				await startBroker(plan.changes, places, manager, wasActive);
				signal?.throwIfAborted();
			} catch (cause) {
				await changed.undo();
				await putBack(manager, wasActive);
				throw cause;
			}
		}
		await changed.keep();
	});
	// A vm's last link may have been the last in a directory of ours.
	await removeEmptyDirectories(directories);
}

/** The reason why this is needed is what the user is told. */
async function putBack(manager: Manager, wasActive: boolean): Promise<void> {
	await manager.reload().catch(() => undefined);
	const back = wasActive ? manager.start(brokerUnits.socket) : manager.stop(brokerUnits.socket, brokerUnits.service);
	await back.catch(() => undefined);
}

async function startBroker(
	changes: readonly PlannedChange[],
	{ root }: Places,
	manager: Manager,
	wasActive: boolean,
): Promise<void> {
	const has = (unit: string): boolean => changes.some(({ path, kind }) => kind === "unit" && path.endsWith(`/${unit}`));
	if (changes.some(({ kind }) => kind === "unit" || kind === "enablement")) await manager.reload();
	if (changes.some(({ kind }) => kind === "dbus")) await manager.reloadBus();
	if (wasActive && has(brokerUnits.socket)) await manager.restartRunning(brokerUnits.socket);
	// Vms and sessions go on without a broker, and with the next one.
	const pid = await manager.mainPid(brokerUnits.service);
	const isOld = pid !== 0 && isOlderThanProgram(pid, join(root, "dist/broker.cjs"));
	if (isOld || has(brokerUnits.service)) await manager.restartRunning(brokerUnits.service);
	await manager.start(brokerUnits.socket);
}

/**
 * Units that go while their vms run, for this login: with its file a vm would lose what is done at its end. Nobody else
 * needs them, so they are in no list.
 */
async function toKeptUnits(
	changes: readonly PlannedChange[],
	{ runtimeUnits }: Places,
	manager: Manager,
): Promise<Change[]> {
	const going = changes.filter(({ kind, to }) => kind === "unit" && to === undefined);
	if (runtimeUnits === undefined || going.length === 0) return [];
	const running = (await manager.findRunning()).map(({ unit }) => toUnitFileName(unit));
	return going.flatMap(({ path, from }): Change[] => {
		const name = basename(path);
		return running.includes(name) ? [{ path: join(runtimeUnits, name), to: from }] : [];
	});
}
