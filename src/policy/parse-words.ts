/** The words of a policy's lines, each checked by itself. What is wrong is told to `complain`, and the word is undefined. */
import { formatName } from "../config/format-value.ts";
import { settableKeys } from "../config/settable.ts";
import { isInstanceName, isVmName, vmNameRule } from "../config/vm-name.ts";
import { nearestName } from "../nearest-name.ts";
import { hostPatternRule, nearestHostPattern, parseHostPattern } from "./host-pattern.ts";
import { anyVm, askUser, disposable, hostSource, type Rule, type Service, services } from "./rule.ts";

export type Complain = (sentence: string) => void;

/** Actions, in the order in which they are listed. */
const actions = ["allow", "deny"] as const;

export function parseService(word: string, complain: Complain): Rule["service"] | undefined {
	if (word === "*") return word;
	const service = services.find((known) => known === word);
	if (service === undefined) complain(`SERVICE is ${expectedOne(word, ["*", ...services])}`);
	return service;
}

/** null: any. What the word may be depends on the service; undefined is one that is wrong itself. */
export function parseArgument(word: string, service: Rule["service"] | undefined, complain: Complain) {
	if (word === "*") return null;
	if (!word.startsWith("+") || word === "+") {
		complain(`ARGUMENT is ${formatName(word)}; expected * or + and a word`);
		return undefined;
	}
	const argument = word.slice(1);
	if (service === "set" && !settableKeys.some((key) => key === argument)) {
		complain(`ARGUMENT is ${expectedOne(word, ["*", ...settableKeys.map((key) => `+${key}`)])}`);
		return undefined;
	}
	/** RFC 3986, 3.1: in lower case, as all that makes URIs should write it. */
	if (service === "open" && !/^[a-z][a-z\d+.-]*$/.test(argument)) {
		complain(`ARGUMENT is ${formatName(word)}; expected * or + and a URI's scheme in lower case (+https)`);
		return undefined;
	}
	return argument;
}

export function parseSource(word: string, complain: Complain): string | undefined {
	return parseEnd(word, { what: "SOURCE", words: [hostSource, anyVm], bases: false }, complain);
}

export function parseTarget(word: string, complain: Complain): string | undefined {
	return parseEnd(word, { what: "TARGET", words: [anyVm, disposable], bases: true }, complain);
}

export function parseOpenTarget(word: string, complain: Complain): string | undefined {
	return parseEnd(word, { what: "TARGET", words: [disposable, askUser], bases: true }, complain);
}

export function parseAction(word: string, complain: Complain): Rule["action"] | undefined {
	const action = actions.find((known) => known === word);
	if (action === undefined) complain(`ACTION is ${expectedOne(word, actions)}`);
	return action;
}

export function parseHost(word: string, complain: Complain): string | undefined {
	const pattern = parseHostPattern(word);
	if (pattern !== undefined) return pattern;
	const better = nearestHostPattern(word);
	complain(`HOSTPATTERN is ${formatName(word)}; expected ${better ?? hostPatternRule}`);
	return undefined;
}

/** These have an argument; to others a rule with one never applies. */
export const hasArgument = (service: Service): boolean => service === "exec" || service === "set" || service === "open";

interface End {
	readonly what: string;
	/** Besides the names of vms. */
	readonly words: readonly string[];
	/** Whether it may be @dispvm:BASE. */
	readonly bases: boolean;
}

function parseEnd(word: string, { what, words, bases }: End, complain: Complain): string | undefined {
	if (words.includes(word)) return word;
	const ofBase = bases && word.startsWith(`${disposable}:`);
	const name = ofBase ? word.slice(disposable.length + 1) : word;
	if (isInstanceName(name)) {
		const instead = bases ? `${disposable} or ${disposable}:BASE` : anyVm;
		complain(
			`${what} is ${formatName(word)}, an instance, which has this name only while it runs; expected ${instead}`,
		);
		return undefined;
	}
	if (isVmName(name)) return word;
	const listed = [...words, ...(bases ? [`${disposable}:BASE`] : [])];
	const meant = nearestName(word, words);
	const hint = meant === undefined ? "" : `; did you mean '${meant}'?`;
	complain(`${what} is ${formatName(word)}; expected ${listed.join(", ")} or a vm's name (${vmNameRule})${hint}`);
	return undefined;
}

/** "'exce'; expected one of exec, …; did you mean 'exec'?" */
function expectedOne(word: string, known: readonly string[]): string {
	const meant = nearestName(word, known);
	const expected = known.length === 2 ? known.join(" or ") : `one of ${known.join(", ")}`;
	return `${formatName(word)}; expected ${expected}${meant === undefined ? "" : `; did you mean '${meant}'?`}`;
}
