/** Where a user's files are (XDG Base Directory Specification 0.8). */
import { userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { QubesLiteError } from "../errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `$HOME`, or, where it is no absolute path, the home directory of the user database (passwd(5)); undefined without either. */
export function findHome(env: Environment): string | undefined {
	if (env.HOME !== undefined && isAbsolute(env.HOME)) return env.HOME;
	try {
		const { homedir } = userInfo();
		return isAbsolute(homedir) ? homedir : undefined;
	} catch {
		// Of a uid that the database does not have.
		return undefined;
	}
}

/** Throws Unsupported where there is none. */
export function homeOf(env: Environment): string {
	const home = findHome(env);
	if (home !== undefined) return home;
	const what = env.HOME ? `not an absolute path (${env.HOME})` : "not set";
	throw new QubesLiteError("Unsupported", `HOME is ${what}, and the user database has no home directory for you`, {
		remedy: "export HOME=   # your home directory, as an absolute path",
	});
}

/** "All paths set in these environment variables must be absolute": a relative one is ignored. */
function xdgDirectory(env: Environment, name: string, fallback: string): string {
	const value = env[name];
	return value !== undefined && isAbsolute(value) ? value : join(homeOf(env), fallback);
}

export const stateHomeOf = (env: Environment): string => xdgDirectory(env, "XDG_STATE_HOME", ".local/state");
export const cacheHomeOf = (env: Environment): string => xdgDirectory(env, "XDG_CACHE_HOME", ".cache");
export const stateDirectoryOf = (env: Environment): string => join(stateHomeOf(env), "qubes-lite");
export const cacheDirectoryOf = (env: Environment): string => join(cacheHomeOf(env), "qubes-lite");
export const configHomeOf = (env: Environment): string => xdgDirectory(env, "XDG_CONFIG_HOME", ".config");
/** Undefined where there is none. */
export function findConfigHome(env: Environment): string | undefined {
	const value = env.XDG_CONFIG_HOME;
	if (value !== undefined && isAbsolute(value)) return value;
	const home = findHome(env);
	return home === undefined ? undefined : join(home, ".config");
}
export const dataHomeOf = (env: Environment): string => xdgDirectory(env, "XDG_DATA_HOME", ".local/share");
/** "User-specific executable files may be stored in $HOME/.local/bin"; no variable names it. */
export const programHomeOf = (env: Environment): string => join(homeOf(env), ".local/bin");
/** Where a user's own units are (systemd.unit(5), "Unit File Load Path"). */
export const unitHomeOf = (env: Environment): string => join(configHomeOf(env), "systemd/user");
/** Undefined where it is not set, or relative. */
export const runtimeHomeOf = ({ XDG_RUNTIME_DIR: base }: Environment): string | undefined =>
	base !== undefined && isAbsolute(base) ? base : undefined;
