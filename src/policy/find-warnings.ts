/** What is right in a policy and yet hardly meant. */
import { formatName } from "../config/format-value.ts";
import { nearestName } from "../nearest-name.ts";
import { findRule } from "./find-rule.ts";
import type { ParsedPolicy } from "./parse-policy.ts";
import { hasArgument } from "./parse-words.ts";
import { anyVm, disposable, formatPlace, hostSource, type Place, type Rule, vmNameIn } from "./rule.ts";
import { findShadowedOpenUrls, findShadowedRules } from "./shadows.ts";

/** The vms that there are. */
export interface KnownVms {
	readonly names: readonly string[];
	/** What "@dispvm" is an instance of; null: nothing. */
	readonly defaultBase: string | null;
}

export interface PolicyWarning {
	/** null: the policy as a whole. */
	readonly at: Place | null;
	readonly sentence: string;
}

/** In the order of the lines; of the policy as a whole last. `known` null: the configuration can't be read. */
export function findWarnings(policy: ParsedPolicy, known: KnownVms | null): PolicyWarning[] {
	const { files, rules, openUrls, problems } = policy;
	const warnings: PolicyWarning[] = [
		...rules.flatMap(findIdleArgument),
		...findShadowedRules(rules, known?.defaultBase ?? null).map(({ at, by }) => toShadowWarning(at, by)),
		...findShadowedOpenUrls(openUrls).map(({ at, by }) => toShadowWarning(at, by)),
		...(known === null ? [] : [...rules, ...openUrls].flatMap((line) => findMissingVms(line, known))),
	];
	const order = ({ at }: PolicyWarning): [number, number] => [files.indexOf(at?.file ?? ""), at?.line ?? 0];
	warnings.sort((a, b) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1]);
	/** Of a policy with problems nobody may do anything. */
	return problems.length > 0 ? warnings : [...warnings, ...findBlindness(rules)];
}

function findIdleArgument({ at, service, argument }: Rule): PolicyWarning[] {
	if (at === null || argument === null || service === "*" || hasArgument(service)) return [];
	return [{ at, sentence: `never matches: ${service} has no argument that could be ${formatName(argument)}` }];
}

const toShadowWarning = (at: Place, by: Place): PolicyWarning => ({
	at,
	sentence: `never decides: ${formatPlace(by)} has all of it (${by.text})`,
});

function findMissingVms(line: { at: Place | null; source?: string; target: string }, known: KnownVms): PolicyWarning[] {
	const { at, source, target } = line;
	if (at === null) return [];
	const words = [...(source === undefined ? [] : [source]), ...(target === "ask" ? [] : [target])];
	const missing = words.flatMap((word) => vmNameIn(word) ?? []).filter((name) => !known.names.includes(name));
	const warnings = [...new Set(missing)].map((name) => ({ at, sentence: toMissing(name, known.names) }));
	if (target !== disposable || known.defaultBase !== null) return warnings;
	return [...warnings, { at, sentence: `no vm is configured as disposable, so that ${disposable} is none` }];
}

function toMissing(name: string, names: readonly string[]): string {
	const meant = nearestName(name, names);
	return `there is no vm '${name}' in the configuration${meant === undefined ? "" : `; did you mean '${meant}'?`}`;
}

/** Lists are about no single vm: nothing else has to be known for the answer. */
function findBlindness(rules: readonly Rule[]): PolicyWarning[] {
	const question = { source: hostSource, target: anyVm, service: "list" } as const;
	const rule = findRule(rules, question, { defaultBase: () => null, baseOf: () => null });
	if (rule?.action === "allow") return [];
	const why = rule?.at == null ? "no rule allows it" : `${formatPlace(rule.at)} denies it`;
	return [{ at: rule?.at ?? null, sentence: `${hostSource} may not even list the vms (qubes-lite ls): ${why}` }];
}
