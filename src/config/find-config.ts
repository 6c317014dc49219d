/** Where the configuration is, and what can be wrong with it as a file. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join, resolve } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { findConfigHome } from "../host/xdg.ts";
import { defaultConfig } from "./default-config.ts";
import { parseConfig } from "./loader.ts";
import type { Config } from "./schema.ts";

export interface FoundConfig {
	readonly config: Config;
	/** Absolute path of the file; undefined: none is there, and this is the embedded default. */
	readonly path: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The file's text; rejects with a system error (ENOENT …) or an error of ours. */
export type ReadText = (path: string) => Promise<string>;

/** Where findConfig looks, in this order: absolute paths. */
export function configPlaces(env: Environment): string[] {
	const named = env.QUBES_LITE_CONFIG;
	return named ? [resolve(named)] : toUsualPaths(env);
}

/** 127 vms need some 60 KiB; a file beyond this is not a configuration. */
export const configMaxBytes = 1024 * 1024;

/**
 * `$QUBES_LITE_CONFIG`, else `$XDG_CONFIG_HOME/qubes-lite/config.json`, else `/etc/qubes-lite/config.json`, else the
 * embedded default. Only a file that nobody named and that is not there is passed over. Throws BadRequest.
 */
export async function findConfig(env: Environment, readText: ReadText = readConfigFile): Promise<FoundConfig> {
	const places = configPlaces(env);
	if (env.QUBES_LITE_CONFIG) return loadConfig(places[0] ?? "", readText);
	for (const path of places) {
		try {
			return await loadConfig(path, readText);
		} catch (error) {
			if (!(error instanceof QubesLiteError && isAbsence(error.cause))) throw error;
		}
	}
	return { config: defaultConfig, path: undefined };
}

/** Where it looks, in this order. */
export const toConfigPaths = (env: Environment): string[] =>
	env.QUBES_LITE_CONFIG ? [resolve(env.QUBES_LITE_CONFIG)] : toUsualPaths(env);

function toUsualPaths(env: Environment): string[] {
	const own = findConfigHome(env);
	return [...(own === undefined ? [] : [join(own, "qubes-lite/config.json")]), "/etc/qubes-lite/config.json"];
}

function isAbsence(error: unknown): boolean {
	const errno = errnoOf(error);
	return errno === "ENOENT" || errno === "ENOTDIR";
}

async function loadConfig(path: string, readText: ReadText): Promise<FoundConfig> {
	let text: string;
	try {
		text = await readText(path);
	} catch (error) {
		throw error instanceof QubesLiteError ? error : toReadError(path, error);
	}
	return { config: parseConfig(text, path), path };
}

function toReadError(path: string, cause: unknown): QubesLiteError {
	if (isAbsence(cause)) {
		const remedy = "create the file, or unset QUBES_LITE_CONFIG";
		return new QubesLiteError("BadRequest", `there is no configuration file ${path}`, { remedy, cause });
	}
	if (errnoOf(cause) === "EACCES") {
		const remedy = `look at its permissions with: namei -l '${path}'`;
		return new QubesLiteError("BadRequest", `the configuration file ${path} may not be read`, { remedy, cause });
	}
	const reason = cause instanceof Error ? cause.message : String(cause);
	return new QubesLiteError("BadRequest", `the configuration file ${path} can't be read: ${reason}`, { cause });
}

/** Reads a regular file of at most configMaxBytes as UTF-8. */
async function readConfigFile(path: string): Promise<string> {
	// O_NONBLOCK: the open of a FIFO would wait for a writer.
	await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
	const stat = await file.stat();
	if (!stat.isFile()) {
		const kind = stat.isDirectory() ? "a directory" : "not a regular file";
		throw new QubesLiteError("BadRequest", `the configuration ${path} is ${kind}`, { remedy: "name a JSON file" });
	}
	// One byte more than allowed, instead of trusting the size: it may have changed since.
	const { buffer, bytesRead } = await file.read(Buffer.alloc(configMaxBytes + 1), 0, configMaxBytes + 1, 0);
	if (bytesRead > configMaxBytes) {
		throw new QubesLiteError("BadRequest", `the configuration file ${path} is larger than 1 MiB`, {
			remedy: "name another file with QUBES_LITE_CONFIG: this can't be a configuration",
		});
	}
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, bytesRead));
	} catch (cause) {
		throw new QubesLiteError("BadRequest", `the configuration file ${path} is not UTF-8`, {
			remedy: `find the place with: iconv -f UTF-8 -t UTF-8 '${path}' > /dev/null`,
			cause,
		});
	}
}
