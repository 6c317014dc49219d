/** The policy as it holds now: its files are read at the start, and again when somebody asks for something and they have changed. */
import { join } from "node:path";
import type { Logger } from "pino";
import { formatName } from "../config/format-value.ts";
import { isInstanceName } from "../config/vm-name.ts";
import type { QubesLiteError } from "../errors.ts";
import { findPolicy, policyPlaces } from "../policy/find-policy.ts";
import { findRule, type Names } from "../policy/find-rule.ts";
import type { ParsedPolicy } from "../policy/parse-policy.ts";
import { explainProblems, formatProblemPlace, lintCommand, toRefusal } from "../policy/problem.ts";
import { disposable, formatPlace, formatRule, type Rule } from "../policy/rule.ts";
import { shellWord } from "../shell-word.ts";
import { lookAt } from "./place-look.ts";
import { watchPlaces } from "./place-watch.ts";
import type { Decision, Policy, PolicyRequest } from "./policy.ts";

export interface LivePolicyHost {
	/** Those of policyDirectories(). */
	readonly directories: readonly string[];
	/** Whose the files may be, besides root's. */
	readonly uid: number;
	readonly names: Names;
	readonly log: Logger;
	/** Wall clock, ms: that of files. */
	readonly wallNow: () => number;
}

/** The kernel's clock of files goes in steps of 10 ms at most: what was written within one step of a look may have changed since. */
const fileClockMs = 20;

export class LivePolicy implements Policy {
	readonly #host: LivePolicyHost;
	#policy: ParsedPolicy;
	/** What its places looked like just before it was read; "" where that says nothing about what another read would find. */
	#seen = "";
	readonly #listeners = new Set<() => void>();

	constructor(host: LivePolicyHost) {
		this.#host = host;
		this.#policy = this.#read();
		this.#note();
	}

	/** What is wrong with it; null where nothing is. */
	get problem(): QubesLiteError | null {
		return toRefusal(this.#policy.problems);
	}

	/** As its files have it now. */
	now(): ParsedPolicy {
		this.#refresh();
		return this.#policy;
	}

	decide(request: PolicyRequest): Decision {
		this.#refresh();
		const { rules, problems } = this.#policy;
		const [first] = problems;
		const why = explainProblems(problems);
		if (first !== undefined && why !== null) {
			return { allow: false, why, remedy: lintCommand, rule: formatProblemPlace(first) };
		}
		const rule = findRule(rules, request, this.#host.names);
		if (rule?.action === "allow") return { allow: true };
		const remedy = toExplainCommand(request, this.#host.names);
		return { allow: false, why: toReason(rule, request), remedy, rule: rule?.at == null ? null : formatPlace(rule.at) };
	}

	/** Until the process ends a change is noticed by itself. Without it requests alone see to that. */
	watch(): void {
		const places = this.#host.directories.map((directory) => join(directory, "*.policy"));
		watchPlaces(places, () => this.#refresh());
	}

	onChange(changed: () => void): () => void {
		this.#listeners.add(changed);
		return () => this.#listeners.delete(changed);
	}

	/** Reads it again if its places have changed. Never throws. */
	#refresh(): void {
		if (this.#seen !== "" && this.#seen === lookAt(policyPlaces(this.#host.directories)).stamp) return;
		const before = describe(this.#policy);
		this.#policy = this.#read();
		if (describe(this.#policy) === before) return;
		this.#note();
		/** Whoever sees it first is in the middle of a question. */
		queueMicrotask(() => {
			for (const changed of this.#listeners) changed();
		});
	}

	#read(): ParsedPolicy {
		/** Looked at before it is read: a change in between is one to read again. */
		const { stamp, changedAtMs } = lookAt(policyPlaces(this.#host.directories));
		/** Also where the clock has been set back since. */
		const isSettled = Math.abs(this.#host.wallNow() - changedAtMs) > fileClockMs;
		const policy = findPolicy(this.#host.directories, this.#host.uid);
		const isWhole = !policy.problems.some(({ isFailedRead }) => isFailedRead);
		this.#seen = isSettled && isWhole ? stamp : "";
		return policy;
	}

	#note(): void {
		const { files, rules } = this.#policy;
		const { log } = this.#host;
		if (this.problem !== null) log.warn({ event: "policy.refused", why: this.problem.message });
		else log.info({ event: "policy.read", files, rules: rules.length });
	}
}

/** Not all of it: it is to tell two apart that somebody has written. */
const describe = ({ files, rules, openUrls, problems }: ParsedPolicy): string =>
	JSON.stringify([files, rules.map(formatRule), openUrls, problems]);

function toReason(rule: Rule | undefined, { source, target, service, argument }: PolicyRequest): string {
	if (rule?.at != null) return `${formatPlace(rule.at)} says: ${formatRule(rule)}`;
	const what = argument === undefined ? service : `${service} +${argument}`;
	return `no rule allows ${formatName(what)} from ${source} to ${formatName(target)}`;
}

/** With the argument where it can be typed. An instance is asked about as what it is one of. */
function toExplainCommand({ source, target, service, argument }: PolicyRequest, names: Names): string {
	const base = isInstanceName(target) ? names.baseOf(target) : undefined;
	const words = [source, base == null ? target : `${disposable}:${base}`, service];
	if (argument !== undefined && isTypable(`+${argument}`)) words.push(`+${argument}`);
	return words.every(isTypable) ? `qubes-lite policy explain ${words.map(shellWord).join(" ")}` : lintCommand;
}

const isTypable = (word: string): boolean => /^[\x20-\x7e]{1,64}$/.test(word) && !word.startsWith("-");
