/** `qubes-lite policy lint [--json]`: all that is wrong with the policy's files, and what in them is hardly meant. */
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { formatReport } from "../doctor/report.ts";
import { lookHere } from "../terminal-look.ts";
import { toFindings, toLintJson, toRows } from "./findings.ts";
import { lookAtPolicy } from "./look-at-policy.ts";

/** Resolves with 1 where something is wrong, with 0 where there are warnings only. */
export async function lintPolicy(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("policy lint", words);
	const here = await lookAtPolicy(process.env);
	const findings = toFindings(here);
	process.stdout.write(
		parsed.has("json") ? toLintJson(findings, here.policy) : formatReport(toRows(findings, here.policy), lookHere()),
	);
	return findings.some(({ status }) => status === "FAIL") ? 1 : 0;
}
