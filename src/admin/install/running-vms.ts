/** Vms whose units can't be taken away: without its unit a vm would lose what is done at its end. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { shimDirectories } from "../../activation/shim-script.ts";
import type { Environment } from "../../config/find-config.ts";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { runtimeHomeOf } from "../../host/xdg.ts";
import { isBootedWithSystemd, type Manager } from "./manager.ts";

const forced = "qubes-lite uninstall --force";

/** Throws Busy where vms run as units, or where that can't be known. `manager`: the reason, where it does not answer. */
export async function refuseRunningVms(manager: Manager | string, env: Environment): Promise<void> {
	if (typeof manager !== "string") return refuse((await manager.findRunning()).map(({ vm }) => vm));
	const traces = findTraces(env);
	if (traces !== undefined) return refuse(traces, manager);
	if (!isBootedWithSystemd()) return;
	throw new QubesLiteError("Busy", `${manager}, so nobody knows whether vms run as units, and nothing is removed`, {
		remedy: `export XDG_RUNTIME_DIR="/run/user/$(id -u)" && qubes-lite uninstall   # or, where none runs: ${forced}`,
	});
}

function refuse(vms: readonly string[], why?: string): void {
	if (vms.length === 0) return;
	const verb = vms.length === 1 ? "runs as a unit" : "run as units";
	const reason = why === undefined ? "" : `, and ${why}`;
	throw new QubesLiteError("Busy", `${vms.join(" and ")} ${verb}${reason}, so nothing is removed`, {
		remedy: `qubes-lite stop ${vms.join(" ")} && qubes-lite uninstall${why === undefined ? "" : `   # or: ${forced}`}`,
	});
}

/** By what their shims keep in the runtime directories of ours and of a login; undefined where there is none, or it can't be read. */
function findTraces(env: Environment): string[] | undefined {
	const ofLogin = `/run/user/${process.getuid?.()}`;
	const bases = [...new Set([runtimeHomeOf(env) ?? ofLogin, ofLogin])];
	const there = bases.filter((base) => existsSync(base));
	if (there.length === 0) return undefined;
	try {
		return there.flatMap((base) => findVms(join(base, "qubes-lite")));
	} catch {
		return undefined;
	}
}

function findVms(runtimeDirectory: string): string[] {
	try {
		return readdirSync(runtimeDirectory).filter((vm) => existsSync(join(runtimeDirectory, vm, shimDirectories.unit)));
	} catch (cause) {
		if (errnoOf(cause) === "ENOENT") return [];
		throw cause;
	}
}
