/** Which configuration holds, and whether it is valid. */
import { existsSync } from "node:fs";
import { toConfigPaths } from "../../config/find-config.ts";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { shellWord } from "../../shell-word.ts";
import { type Check, type Finding, fail, pass } from "./check.ts";
import type { DoctorHost } from "./host.ts";

export const configurationCheck = (host: DoctorHost): Check => ({ name: "configuration", run: () => look(host) });

function look({ config, env }: DoctorHost): Finding {
	if (config instanceof QubesLiteError) return fail(config.message, toRemedy(config, toConfigPaths(env)));
	const count = config.config.vms.length;
	const vms = count === 1 ? "a vm" : `${count} vms`;
	if (config.path === undefined) return pass(`there is no file: the embedded default with ${vms}`);
	return pass(`${config.path} with ${vms}`);
}

function toRemedy(error: QubesLiteError, paths: readonly string[]): string {
	const path = shellWord(paths.find((candidate) => existsSync(candidate)) ?? paths[0] ?? "");
	switch (errnoOf(error.cause)) {
		case "ENOENT":
		case "ENOTDIR":
			return "unset QUBES_LITE_CONFIG   # or make the file";
		case "EACCES":
			return `namei -l ${path}   # who may read it; chmod what is in the way`;
		default:
			return `"\${EDITOR:-vi}" ${path}`;
	}
}
