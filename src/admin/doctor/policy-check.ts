/** Whether the policy's files can be used: with one mistake in them nothing is allowed any more. */
import { formatProblemPlace, lintCommand } from "../../policy/problem.ts";
import { summarize, toFindings } from "../policy/findings.ts";
import { readPolicyHere, toKnownVms } from "../policy/look-at-policy.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import type { DoctorHost } from "./host.ts";

export const policyCheck = (host: DoctorHost): Check => ({ name: "policy", run: () => look(host) });

function look({ env, config }: DoctorHost): Finding {
	const policy = readPolicyHere(env);
	const { problems } = policy;
	const [first] = problems;
	if (first !== undefined) {
		const more = problems.length === 1 ? "" : ` (and ${problems.length - 1} more)`;
		const sentence = `nothing is allowed: ${formatProblemPlace(first)}: ${first.sentence}${more}`;
		return fail(sentence, first.remedy ?? `${lintCommand}   # has all that is wrong, line by line`);
	}
	const known = toKnownVms(config);
	/** A configuration that can't be read is another check's. */
	const warnings = toFindings({ policy, known }).filter(({ file, remedy }) => file !== null || remedy === null);
	const [warning] = warnings;
	if (warning === undefined) return pass(summarize(policy));
	const place = warning.file === null ? "" : `${warning.file}:${warning.line}: `;
	return warn(`${place}${warning.sentence}`, lintCommand);
}
