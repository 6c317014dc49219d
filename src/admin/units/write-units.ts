/** `qubes-lite units`: the units of a configuration's vms in a directory, for this host or, by a file of facts, for another. */
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { shimPath } from "../../activation/shim-script.ts";
import { judgeUnit } from "../../activation/unit-file.ts";
import { parseCommand, UsageError } from "../../cli/commands/parse-command.ts";
import { type Environment, findConfig } from "../../config/find-config.ts";
import type { Config } from "../../config/schema.ts";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { gatherHostFacts } from "../../host/gather-host-facts.ts";
import { cacheDirectoryOf, runtimeHomeOf } from "../../host/xdg.ts";
import { toAllUnits, type UnitFile } from "../../launch/vm-units.ts";
import { shellWord } from "../../shell-word.ts";
import { type Change, changeFiles, lookAt } from "../change-files.ts";
import { whileInterruptible } from "../interruption.ts";
import { factsMaxBytes, parseFactsFile } from "./host-facts-file.ts";

const remedy = "qubes-lite install";

/** Prints the path of each unit; resolves with 0. */
export async function units(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("units", words);
	for (const option of ["config", "facts", "out"] as const) {
		if (parsed.value(option) === "")
			throw new UsageError(`the name after --${option} is empty`, "qubes-lite units --help");
	}
	const directory = resolve(parsed.value("out") ?? "");
	const config = await readConfig(parsed.value("config") ?? "");
	const facts = parsed.value("facts");
	const made = facts === null ? toUnitsHere(config, process.env) : await toUnitsThere(config, facts);
	await whileInterruptible((signal) => writeUnits(directory, made, signal));
	process.stdout.write(made.map(({ name }) => `${join(directory, name)}\n`).join(""));
	return 0;
}

async function readConfig(file: string): Promise<Config> {
	try {
		return (await findConfig({ QUBES_LITE_CONFIG: file })).config;
	} catch (cause) {
		const error = QubesLiteError.from(cause);
		if (errnoOf(error.cause) !== "ENOENT" && errnoOf(error.cause) !== "ENOTDIR") throw error;
		throw new QubesLiteError("BadRequest", error.message, { remedy: "name a file that is there with --config", cause });
	}
}

/** The units of all vms, by this host as it is now. Throws BootFailed for a vm that can't be launched. */
export function toUnitsHere(config: Config, env: Environment): UnitFile[] {
	const places = {
		// Units say %t, so that its length is all that matters.
		runtimeDirectory: join(runtimeHomeOf(env) ?? `/run/user/${process.getuid?.()}`, "qubes-lite"),
		cacheDirectory: cacheDirectoryOf(env),
		searchPath: env.PATH ?? "",
		session: () => env,
	};
	return toAllUnits(config, (vm) => gatherHostFacts(places, vm), { shim: shimPath, remedy });
}

/**
 * Those of the vms that can be launched here, as it is now, and why the others can't: their units come with their first start. Throws that where none
 * can be.
 */
export function toUnitsThatCanBe(config: Config, env: Environment): { units: UnitFile[]; left: QubesLiteError[] } {
	const left: QubesLiteError[] = [];
	const units = config.vms.flatMap((vm) => {
		try {
			return toUnitsHere({ ...config, vms: [vm] }, env);
		} catch (cause) {
			const { code, message, remedy } = QubesLiteError.from(cause);
			left.push(new QubesLiteError(code, `there is no unit of ${vm.name} yet: ${message}`, { remedy, cause }));
			return [];
		}
	});
	if (units.length === 0 && left[0] !== undefined) throw left[0].cause;
	return { units, left };
}

async function toUnitsThere(config: Config, file: string): Promise<UnitFile[]> {
	const facts = parseFactsFile(await readFacts(file), file);
	return toAllUnits(config, facts.of, { shim: facts.shim ?? shimPath, remedy: facts.remedy ?? remedy });
}

async function readFacts(file: string): Promise<string> {
	try {
		const found = await stat(file);
		if (!found.isFile() || found.size > factsMaxBytes) {
			throw new QubesLiteError("BadRequest", `${file} is no file of at most 1 MiB, so it can't hold host facts`, {
				remedy: "name a JSON file with --facts",
			});
		}
		return await readFile(file, "utf8");
	} catch (cause) {
		if (cause instanceof QubesLiteError) throw cause;
		throw new QubesLiteError("BadRequest", `the facts ${file} can't be read (${errnoOf(cause) ?? cause})`, {
			remedy: `namei -l ${shellWord(resolve(file))}`,
			cause,
		});
	}
}

/** All or none, whoever else does the same. Replaces units that we have made; refuses where there is another file of that name. */
async function writeUnits(directory: string, made: readonly UnitFile[], signal: AbortSignal): Promise<void> {
	const changes: Change[] = [];
	for (const { name, text } of made) {
		const path = join(directory, name);
		const found = await lookAt(path);
		if (found !== undefined && (found === "other" || found.kind !== "file" || judgeUnit(found.text) !== "ours")) {
			throw new QubesLiteError("Denied", `${path} is there and not as we made it, so nothing is written`, {
				remedy: `mv ${shellWord(path)} ${shellWord(`${path}.mine`)}`,
			});
		}
		changes.push({ path, to: { kind: "file", text } });
	}
	await (await changeFiles(changes, { mark: `qubes-lite-${process.pid}`, signal })).keep();
}
