/** What several checks look at, gathered once. */
import { totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { defaultConfig } from "../../config/default-config.ts";
import { type Environment, type FoundConfig, findConfig } from "../../config/find-config.ts";
import { checkPreload } from "../../config/preload.ts";
import { QubesLiteError } from "../../errors.ts";
import { cacheDirectoryOf, stateDirectoryOf } from "../../host/xdg.ts";
import { checkRuntimeDirectory } from "../../runtime-directory.ts";
import { shellWord } from "../../shell-word.ts";
import { lookAtUserManager, type UserManager } from "./user-manager.ts";

export interface DoctorHost {
	readonly env: Environment;
	/** The directory with our bundles. */
	readonly programs: string;
	readonly searchPath: string;
	/** `$XDG_RUNTIME_DIR/qubes-lite`, which need not be there yet; the error where there can be none. */
	readonly runtimeDirectory: string | QubesLiteError;
	readonly stateDirectory: string;
	readonly cacheDirectory: string;
	readonly config: FoundConfig | QubesLiteError;
	readonly manager: UserManager;
}

async function findFittingConfig(env: Environment): Promise<FoundConfig> {
	const found = await findConfig(env);
	checkPreload(found, totalmem() / 2 ** 20);
	return found;
}

/** Within 1.2 s. */
export async function lookAtHost(env: Environment): Promise<DoctorHost> {
	const [config, manager] = await Promise.all([
		findFittingConfig(env).catch((cause: unknown) => QubesLiteError.from(cause)),
		lookAtUserManager(env),
	]);
	return {
		env,
		programs: fileURLToPath(new URL(".", import.meta.url)),
		searchPath: env.PATH ?? "",
		runtimeDirectory: orError(() => checkRuntimeDirectory(env)),
		stateDirectory: stateDirectoryOf(env),
		cacheDirectory: cacheDirectoryOf(env),
		config,
		manager,
	};
}

function orError<T>(look: () => T): T | QubesLiteError {
	try {
		return look();
	} catch (cause) {
		return QubesLiteError.from(cause);
	}
}

/** The vms that can be looked at: none while the configuration is not valid. */
export const vmsOf = ({ config }: DoctorHost) => (config instanceof QubesLiteError ? [] : config.config.vms);

/** Opens the configuration. */
export const toEditCommand = ({ config }: DoctorHost): string =>
	config instanceof QubesLiteError || config.path === undefined
		? 'qubes-lite status   # "config" says which file holds'
		: `"\${EDITOR:-vi}" ${shellWord(config.path)}`;

export const vmNetworkOf = ({ config }: DoctorHost): string =>
	config instanceof QubesLiteError ? defaultConfig.vmNetwork : config.config.vmNetwork;
