/** Where an installation's files are: the user's own places (XDG Base Directory Specification 0.8). */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Environment } from "../../config/find-config.ts";
import { dataHomeOf, findHome, programHomeOf, runtimeHomeOf, stateDirectoryOf, unitHomeOf } from "../../host/xdg.ts";

export interface Places {
	readonly units: string;
	/** Units of this login only. */
	readonly runtimeUnits: string | undefined;
	readonly programs: string;
	readonly bashCompletion: string;
	readonly zshCompletion: string;
	readonly fishCompletion: string;
	readonly man: string;
	/** What the user's bus can start, and interfaces for whoever makes code of them. */
	readonly dbusServices: string;
	readonly dbusInterfaces: string;
	readonly manifest: string;
	/** What is installed: our checkout, or wherever our bundles and launchers are. */
	readonly root: string;
}

/** `units`: where the user manager looks for them; where there is none, it will look where the shell says. */
export function toPlaces(env: Environment, units = unitHomeOf(env)): Places {
	const data = dataHomeOf(env);
	const runtime = runtimeHomeOf(env);
	return {
		units,
		runtimeUnits: runtime === undefined ? undefined : join(runtime, "systemd/user"),
		programs: programHomeOf(env),
		bashCompletion: join(data, "bash-completion/completions"),
		zshCompletion: join(data, "zsh/site-functions"),
		fishCompletion: join(data, "fish/vendor_completions.d"),
		man: join(data, "man/man1"),
		dbusServices: join(data, "dbus-1/services"),
		dbusInterfaces: join(data, "dbus-1/interfaces"),
		manifest: join(stateDirectoryOf(env), "installed.json"),
		// Beside the directory of our bundle, dist/.
		root: fileURLToPath(new URL("../", import.meta.url)).replace(/\/$/, ""),
	};
}

/** As people write it: ~/.config. */
export function formatPath(path: string): string {
	const home = findHome(process.env);
	return home !== undefined && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** A line of what install and uninstall print. */
export const formatRemoval = (path: string, isDry: boolean): string =>
	`${isDry ? "would remove" : "removed "} ${formatPath(path)}\n`;
