/** Where menu entries and what they need are: the user's own places (XDG Base Directory and Desktop Menu Specifications). */
import { userInfo } from "node:os";
import { join } from "node:path";
import type { Environment } from "../../config/find-config.ts";
import type { Commands } from "../../desktop/entries.ts";
import { isInStore, profilesOf, toLastingProgram } from "../../host/nix-store.ts";
import { configHomeOf, dataHomeOf, homeOf, stateDirectoryOf } from "../../host/xdg.ts";
import { toPlaces } from "../install/places.ts";

export interface DesktopPlaces {
	readonly applications: string;
	readonly directories: string;
	/** What a desktop merges into its menu. */
	readonly menus: string;
	/** Ours alone: entries name their icons by whole paths, so no theme has to know them, and what we remove is exactly what we made. */
	readonly icons: string;
	/** Ours alone: what guests have reported last. */
	readonly reports: string;
	readonly manifest: string;
	/** Of what is installed. */
	readonly root: string;
	readonly commands: Commands;
}

export function toDesktopPlaces(env: Environment): DesktopPlaces {
	const data = dataHomeOf(env);
	const state = stateDirectoryOf(env);
	const { root } = toPlaces(env);
	const lasting = (name: string): string =>
		toLastingProgram(root, name, isInStore(root) ? profilesOf(userInfo().username, homeOf(env)) : []);
	return {
		applications: join(data, "applications"),
		directories: join(data, "desktop-directories"),
		menus: join(configHomeOf(env), "menus/applications-merged"),
		icons: join(data, "qubes-lite/icons"),
		reports: join(state, "programs"),
		manifest: join(state, "desktop.json"),
		root,
		commands: { runInVm: lasting("run-in-vm"), qubesLite: lasting("qubes-lite") },
	};
}
