/** Which line of a policy decides: the first that matches. */
import { isInstanceName } from "../config/vm-name.ts";
import { matchesHost } from "./host-pattern.ts";
import { hasArgument } from "./parse-words.ts";
import { anyVm, disposable, hostSource, type OpenUrlRule, type Rule, type Service } from "./rule.ts";

/** What somebody asks for. */
export interface Question {
	/** "@host", or a guest by its vm's name. "@anyvm": a guest that no rule names. */
	readonly source: string;
	/** A vm or an instance that runs, "@dispvm" or "@dispvm:BASE" for a fresh instance, "@anyvm" for what is no vm, or all of them. */
	readonly target: string;
	readonly service: Service;
	/** exec: the command's first word. set: a key. open: the URI's scheme. */
	readonly argument?: string | undefined;
}

/** What is meant by some names just now. */
export interface Names {
	/** The vm that "@dispvm" is a fresh instance of; null: there is none. */
	defaultBase(): string | null;
	/** What the instance of this name is one of; null: nobody knows. */
	baseOf(instance: string): string | null;
}

/** undefined: no rule matches, which is a denial. */
export function findRule(rules: readonly Rule[], question: Question, names: Names): Rule | undefined {
	const asked = toAsked(question, names);
	return rules.find((rule) => matches(rule, asked));
}

/** What a rule has to say to match. */
interface Asked {
	readonly service: Service;
	readonly argument: string | null;
	readonly sources: readonly string[];
	readonly targets: readonly string[];
	/** An instance that was made from nobody knows what: what denies any disposable denies it, what allows only some does not allow it. */
	readonly isOfUnknown: boolean;
}

function toAsked({ source, target, service, argument }: Question, names: Names): Asked {
	const targets = toTargets(target, names);
	return {
		service,
		argument: (hasArgument(service) ? argument : null) ?? null,
		sources: source === hostSource ? [source] : [source, anyVm],
		targets: [...(targets ?? []), anyVm],
		isOfUnknown: targets === null,
	};
}

/** Besides @anyvm. null: an instance of nobody knows what. */
function toTargets(target: string, names: Names): readonly string[] | null {
	const base = toBase(target, names);
	if (base === undefined) return [target];
	if (base === null) return target === disposable ? [disposable] : null;
	return base === names.defaultBase() ? [`${disposable}:${base}`, disposable] : [`${disposable}:${base}`];
}

/** undefined: it is no disposable. */
function toBase(target: string, names: Names): string | null | undefined {
	if (target === disposable) return names.defaultBase();
	if (target.startsWith(`${disposable}:`)) return target.slice(disposable.length + 1);
	return isInstanceName(target) ? names.baseOf(target) : undefined;
}

function matches(rule: Rule, asked: Asked): boolean {
	if (rule.service !== "*" && rule.service !== asked.service) return false;
	if (rule.argument !== null && !isArgument(rule.argument, asked)) return false;
	if (!asked.sources.includes(rule.source)) return false;
	return asked.targets.includes(rule.target) || (asked.isOfUnknown && deniesDisposables(rule));
}

/** Schemes are the same in any case (RFC 3986, 3.1). */
const isArgument = (word: string, { service, argument }: Asked): boolean =>
	word === (service === "open" ? argument?.toLowerCase() : argument);

const deniesDisposables = ({ action, target }: Rule): boolean => action === "deny" && target.startsWith(disposable);

/** Where a URL is opened, and which line says so. */
export interface OpenUrlDecision {
	/** A vm's name, "@dispvm", "@dispvm:BASE" or "ask". */
	readonly target: string;
	readonly file: string;
	readonly line: number;
}

/**
 * `openUrls` of a policy without problems: a bad one allows nothing. `host` as in a URL that has been parsed, without port; null where it
 * has none, and for a file. null: no line matches.
 */
export function decideOpenUrl(openUrls: readonly OpenUrlRule[], host: string | null): OpenUrlDecision | null {
	const rule = findOpenUrl(openUrls, host);
	return rule === undefined ? null : { target: rule.target, file: rule.at.file, line: rule.at.line };
}

export const findOpenUrl = (openUrls: readonly OpenUrlRule[], host: string | null): OpenUrlRule | undefined =>
	openUrls.find((rule) => matchesHost(rule.host, host));
