/** `qubes-lite desktop ls`: the programs that the menu has, or would have after a sync that asks nobody. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { findConfig } from "../../config/find-config.ts";
import { toEntryName } from "../../desktop/entries.ts";
import { toMenuPrograms } from "../../desktop/menu-program.ts";
import { formatColumns } from "../../terminal/columns.ts";
import { lookHere } from "../terminal-look.ts";
import { toDesktopPlaces } from "./desktop-places.ts";
import { readReport } from "./kept-reports.ts";
import { say } from "./sync.ts";

/** Resolves with 0. */
export async function listPrograms(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("desktop ls", words);
	const { config } = await findConfig(process.env);
	const { applications, reports } = toDesktopPlaces(process.env);
	const listed = [];
	for (const vm of config.vms) {
		for (const program of toMenuPrograms(vm, (await readReport(reports, vm.name))?.programs ?? [])) {
			const path = join(applications, `${toEntryName(vm.name, program.id)}.desktop`);
			listed.push({ ...program, entry: existsSync(path) ? path : null });
		}
	}
	if (parsed.has("json")) {
		const programs = listed.map(({ vm, id, name, source, terminal, entry }) => ({
			vm,
			id,
			name,
			source,
			terminal,
			entry,
		}));
		process.stdout.write(`${JSON.stringify({ schema: 1, programs })}\n`);
		return 0;
	}
	if (listed.length === 0) {
		say('no programs: guests report theirs when they run, and "programs" of a vm lists others');
		return 0;
	}
	const rows = listed.map(({ vm, id, name, source, entry }) => [vm, id, source, entry === null ? "no" : "yes", name]);
	process.stdout.write(formatColumns(["VM", "PROGRAM", "FROM", "IN MENU", "NAME"], rows, lookHere()));
	return 0;
}
