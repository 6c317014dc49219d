/** What the policy says about links. */
import { findPolicy, policyDirectories } from "../../policy/find-policy.ts";
import { decideOpenUrl } from "../../policy/find-rule.ts";
import { toRefusal } from "../../policy/problem.ts";
import type { OpenPolicy } from "./decide-where.ts";

/** Throws Denied where it can't be used. */
export function findOpenPolicy(): OpenPolicy {
	const { openUrls, problems } = findPolicy(policyDirectories(process.env), process.getuid?.() ?? 0);
	const refusal = toRefusal(problems);
	if (refusal !== null) throw refusal;
	return {
		lineFor(host) {
			const decision = decideOpenUrl(openUrls, host);
			return decision && { target: decision.target, place: `${decision.file}:${decision.line}` };
		},
		hasLines: openUrls.length > 0,
	};
}
