/** What the policy says about links and files: where they are opened, and whether they may be. */
import { posix } from "node:path";
import { findDefaultBase } from "../config/default-base.ts";
import type { Config } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { decideOpenUrl, findRule } from "../policy/find-rule.ts";
import type { ParsedPolicy } from "../policy/parse-policy.ts";
import { toRefusal } from "../policy/problem.ts";
import { formatPlace, formatRule, hostSource } from "../policy/rule.ts";
import { shellWord } from "../shell-word.ts";
import type { OpenDestination } from "./open-destination.ts";

/** The line of the policy that is for a host. */
export interface PolicyLine {
	/** A vm, @dispvm, @dispvm:VM or ask. */
	readonly target: string;
	/** "file:line", for people. */
	readonly place: string;
}

export interface OpenPolicy {
	/** null: what has no host, as a mailto: and a file. */
	readonly lineFor: (host: string | null) => PolicyLine | null;
	/** There are open-url lines, whether one fits or not. */
	readonly hasLines: boolean;
	/** A command that adds such a line. */
	readonly toAdding: (line: string) => string;
	/** Throws Denied with the rule. The broker has its own say about the handler that runs then. */
	readonly check: (where: OpenDestination, scheme: string) => void;
}

/** `directory`: where the user's own files of rules are. Throws Denied where the policy can't be used. */
export function toOpenPolicy(
	{ openUrls, rules, problems, files }: ParsedPolicy,
	config: Pick<Config, "vms">,
	directory: string,
): OpenPolicy {
	const refusal = toRefusal(problems);
	if (refusal !== null) throw refusal;
	const names = { defaultBase: () => findDefaultBase(config.vms)?.name ?? null, baseOf: () => null };
	return {
		lineFor(host) {
			const decision = decideOpenUrl(openUrls, host);
			return decision && { target: decision.target, place: `${decision.file}:${decision.line}` };
		},
		hasLines: openUrls.length > 0,
		// What a first file does not allow is denied.
		toAdding: (line) => formatAdding(files.length > 0 ? [line] : [line, "* * @host @anyvm allow"], directory),
		check({ vm, isDisposable }, scheme) {
			const target = isDisposable ? `@dispvm:${vm.name}` : vm.name;
			const rule = findRule(rules, { source: hostSource, target, service: "open", argument: scheme }, names);
			if (rule?.action === "allow") return;
			const why = rule === undefined ? "no rule allows it" : ruleWords(rule);
			throw new QubesLiteError("Denied", `the policy does not allow to open this in ${target}: ${why}`, {
				remedy: `qubes-lite policy explain ${hostSource} ${target} open ${scheme}`,
			});
		},
	};
}

const ruleWords = (rule: NonNullable<ReturnType<typeof findRule>>): string =>
	rule.at === null ? formatRule(rule) : `${formatPlace(rule.at)}: ${formatRule(rule)}`;

function formatAdding(lines: readonly string[], directory: string): string {
	const file = shellWord(posix.join(directory, "10-mine.policy"));
	return `mkdir -p ${shellWord(directory)} && printf '%s\\n' ${lines.map(shellWord).join(" ")} >>${file}`;
}
