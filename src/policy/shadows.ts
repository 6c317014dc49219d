/** Lines that can never decide, because an earlier one has everything that they match. */
import { coveringPatterns } from "./host-pattern.ts";
import { anyVm, disposable, hostSource, type OpenUrlRule, type Place, type Rule } from "./rule.ts";

export interface Shadowed {
	readonly at: Place;
	/** The first that has all of it. */
	readonly by: Place;
}

/** `defaultBase`: the vm that "@dispvm" is an instance of; null: nobody knows. Only what one earlier line has is found. */
export function findShadowedRules(rules: readonly Rule[], defaultBase: string | null): Shadowed[] {
	const sameTarget = (target: string): string => (target === `${disposable}:${defaultBase}` ? disposable : target);
	return findShadowed(
		rules.filter(({ at }) => at !== null),
		({ service, argument, source, target }) => toKey([service, argument, source, sameTarget(target)]),
		(rule) => coveringKeys({ ...rule, target: sameTarget(rule.target) }),
	);
}

export const findShadowedOpenUrls = (openUrls: readonly OpenUrlRule[]): Shadowed[] =>
	findShadowed(
		openUrls,
		({ host }) => host,
		({ host }) => coveringPatterns(host),
	);

/** By keys, since a policy may have more lines than could be compared with each other. */
function findShadowed<Line extends Pick<Rule, "at">>(
	lines: readonly Line[],
	keyOf: (line: Line) => string,
	coveringKeysOf: (line: Line) => readonly string[],
): Shadowed[] {
	const first = new Map<string, number>();
	return lines.flatMap((line, index) => {
		const earlier = coveringKeysOf(line).flatMap((key) => first.get(key) ?? []);
		const by = lines[Math.min(...earlier)]?.at;
		const key = keyOf(line);
		if (!first.has(key)) first.set(key, index);
		return line.at === null || by === undefined || by === null ? [] : [{ at: line.at, by }];
	});
}

const toKey = (parts: readonly (string | null)[]): string => JSON.stringify(parts);

/** Of every rule that matches at least what this one does. */
function coveringKeys({ service, argument, source, target }: Rule): string[] {
	const sources = source === hostSource ? [source] : [...new Set([source, anyVm])];
	return [...new Set([service, "*"])].flatMap((one) =>
		[...new Set([argument, null])].flatMap((word) =>
			sources.flatMap((who) => [...new Set([target, anyVm])].map((what) => toKey([one, word, who, what]))),
		),
	);
}
