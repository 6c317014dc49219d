/** The compositor that a vm's windows go to, looked for when there is one to show: it may come after the vm, and be another one later. */
import { execFile } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { findWayland } from "../host/wayland.ts";
import type { WaylandFact } from "../vmm/host-facts.ts";

/** A manager that is busy answers within milliseconds. */
const askWithinMs = 2_000;
const display = "WAYLAND_DISPLAY";

export interface CompositorPlaces {
	/** XDG_RUNTIME_DIR. */
	readonly runtimeDirectory: string;
	/** PATH. */
	readonly searchPath: string;
	/** WAYLAND_DISPLAY as the broker has it, or the last one had; null: none has told us, or has none. */
	readonly told: string | null;
}

/**
 * In this order: what the user manager has, which desktops tell; what the broker has; the newest socket of a compositor's name in the runtime directory.
 * What is missing is said of the first of them that is set.
 */
export async function findCompositor(places: CompositorPlaces): Promise<WaylandFact> {
	const { runtimeDirectory, told } = places;
	const names = [await askManager(places), told, newestSocket(runtimeDirectory)].filter((name) => name !== null);
	const found = names.map((name) => findWayland({ [display]: name, XDG_RUNTIME_DIR: runtimeDirectory }));
	return found.find((one) => "socket" in one) ?? found[0] ?? { missing: `${display} is not set` };
}

/** Null where there is no user manager, or it has none. Never rejects; windows that are there go on meanwhile. */
function askManager({ runtimeDirectory, searchPath }: CompositorPlaces): Promise<string | null> {
	const options = {
		env: { PATH: searchPath, XDG_RUNTIME_DIR: runtimeDirectory },
		...({ encoding: "utf8", timeout: askWithinMs, killSignal: "SIGKILL" } as const),
	};
	return new Promise((resolve) => {
		execFile("systemctl", ["--user", "show-environment"], options, (error, text) => {
			resolve(error === null ? (new RegExp(`^${display}=(.+)$`, "m").exec(text)?.[1] ?? null) : null);
		});
	});
}

function newestSocket(directory: string): string | null {
	const born = (name: string): number => {
		const file = statSync(join(directory, name), { throwIfNoEntry: false });
		return file?.isSocket() === true ? file.ctimeMs : Number.NEGATIVE_INFINITY;
	};
	const names = readdirSync(directory).filter((name) => /^wayland-\d+$/.test(name));
	const [newest] = names.map((name) => ({ name, at: born(name) })).sort((a, b) => b.at - a.at);
	return newest === undefined || newest.at === Number.NEGATIVE_INFINITY ? null : newest.name;
}
