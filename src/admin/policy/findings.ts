/** What lint has found, for people and for programs. */
import { QubesLiteError } from "../../errors.ts";
import { findWarnings } from "../../policy/find-warnings.ts";
import type { ParsedPolicy } from "../../policy/parse-policy.ts";
import { defaultRule, formatRule } from "../../policy/rule.ts";
import { toSafeText } from "../../terminal/safe-text.ts";
import type { Result } from "../doctor/check.ts";
import type { PolicyHere } from "./look-at-policy.ts";

export interface PolicyFinding {
	/** FAIL: for this alone the policy allows nothing. */
	readonly status: "FAIL" | "WARN";
	/** null: the policy as a whole. */
	readonly file: string | null;
	readonly line: number | null;
	readonly sentence: string;
	readonly remedy: string | null;
}

/** What is wrong first. */
export function toFindings({ policy, known }: PolicyHere): PolicyFinding[] {
	const isUnknown = known instanceof QubesLiteError;
	const problems = policy.problems.map(
		({ file, line, sentence, remedy }): PolicyFinding => ({
			...{ status: "FAIL", file, line, sentence, remedy: remedy ?? null },
		}),
	);
	const warnings = findWarnings(policy, isUnknown ? null : known).map(
		({ at, sentence }): PolicyFinding => ({
			...{ status: "WARN", file: at?.file ?? null, line: at?.line ?? null, sentence, remedy: null },
		}),
	);
	if (!isUnknown) return [...problems, ...warnings];
	const sentence = "names of vms were not looked at: the configuration can't be read";
	return [
		...problems,
		...warnings,
		{ status: "WARN", file: null, line: null, sentence, remedy: "qubes-lite doctor   # has what is wrong with it" },
	];
}

/** Rows as the doctor's; of a policy in which nothing was found one that says so. */
export function toRows(findings: readonly PolicyFinding[], policy: ParsedPolicy): Result[] {
	if (findings.length === 0) return [{ name: "policy", status: "PASS", sentence: summarize(policy), remedy: null }];
	return findings.map(({ status, file, line, sentence, remedy }) => {
		const place = file === null ? "policy" : toSafeText(line === null ? file : `${file}:${line}`);
		return { name: place.replaceAll("\n", "\uFFFD"), status, sentence, remedy };
	});
}

/** Programs may rely on it (contracts: schema 1). */
export function toLintJson(findings: readonly PolicyFinding[], { files, rules, openUrls }: ParsedPolicy): string {
	const counts = { files, rules: rules.filter(({ at }) => at !== null).length, openUrls: openUrls.length };
	return `${JSON.stringify({ schema: 1, ...counts, findings }, null, 2)}\n`;
}

/** Of one without problems: "3 rules in 1 file". */
export function summarize({ files, rules, openUrls }: ParsedPolicy): string {
	if (files.length === 0) return `there is no policy file: the default holds, ${formatRule(defaultRule)}`;
	const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
	const lines = [count(rules.length, "rule"), ...(openUrls.length === 0 ? [] : [`${openUrls.length} of open-url`])];
	return `${lines.join(" and ")} in ${count(files.length, "file")}`;
}
