/** A packaged qubes-lite of Nix: its own path changes with each update, and nothing at that path ever does. */
import { realpathSync } from "node:fs";
import { join } from "node:path";

const store = "/nix/store";

export const isInStore = (path: string): boolean => path === store || path.startsWith(`${store}/`);

/** Where a system's and a user's programs stay, whatever the update (NixOS' nixos/modules/config/users-groups.nix, system-path.nix). */
export const profilesOf = (user: string, home: string): readonly string[] => [
	"/run/current-system/sw",
	`/etc/profiles/per-user/${user}`,
	join(home, ".nix-profile"),
];

/** The program `bin/NAME` of `root`, as it is called from where it stays: by the first profile that leads to it, else by its own path. */
export function toLastingProgram(root: string, name: string, profiles: readonly string[]): string {
	const own = join(root, "bin", name);
	const real = resolved(own);
	if (real === undefined) return own;
	return profiles.map((profile) => join(profile, "bin", name)).find((path) => resolved(path) === real) ?? own;
}

function resolved(path: string): string | undefined {
	try {
		return realpathSync(path);
	} catch {
		return undefined;
	}
}
