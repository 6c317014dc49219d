/** `qubes-lite policy explain SOURCE TARGET SERVICE [ARGUMENT]`: what the policy decides, and by which line. Asks no broker. */
import { parseCommand, UsageError } from "../../cli/commands/parse-command.ts";
import { program } from "../../cli/commands/qubes-lite.ts";
import { formatName } from "../../config/format-value.ts";
import { isInstanceName, noSuchVm } from "../../config/vm-name.ts";
import { QubesLiteError } from "../../errors.ts";
import { nearestName } from "../../nearest-name.ts";
import { findOpenUrl, findRule } from "../../policy/find-rule.ts";
import { parseHostPattern } from "../../policy/host-pattern.ts";
import { hasArgument, parseArgument, parseSource, parseTarget } from "../../policy/parse-words.ts";
import { toRefusal } from "../../policy/problem.ts";
import {
	formatPlace,
	formatRule,
	openUrlWord,
	type Place,
	type Service,
	services,
	vmNameIn,
} from "../../policy/rule.ts";
import { toSafeText } from "../../terminal/safe-text.ts";
import { lookAtPolicy, type PolicyHere, toNames } from "./look-at-policy.ts";

const help = `${program} policy explain --help`;

interface Answer {
	/** "allow", "deny", or where a URL is opened. */
	readonly decision: string | null;
	readonly by: "rule" | "default" | "nothing";
	readonly at: Place | null;
	/** Of what decides. */
	readonly text: string | null;
}

/** Prints the answer; resolves with 0 whatever it is. Throws Denied where the policy can't be used. */
export async function explainPolicy(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("policy explain", words);
	const [source = "", target = "", service, untrusted] = parsed.operands;
	/** As it stands in a rule, with its + or without. */
	const argument = untrusted?.replace(/^\+/, "");
	if (service === undefined) throw new UsageError(`who, about what, and which SERVICE? ${usage}`, help);
	const isOpenUrl = service === openUrlWord;
	const ask = isOpenUrl ? toOpenUrlAnswer(source, target, argument) : toAnswer(source, target, service, argument);
	const here = await lookAtPolicy(process.env);
	const refusal = toRefusal(here.policy.problems);
	if (refusal !== null) throw refusal;
	if (!isOpenUrl) tellMissing([source, target], here);
	const answer = ask(here);
	process.stdout.write(parsed.has("json") ? toJson(answer, isOpenUrl) : formatAnswer(answer));
	return 0;
}

const usage = "SOURCE TARGET SERVICE";

/** Throws UsageError. */
function toAnswer(source: string, target: string, service: string, argument: string | undefined) {
	const known = services.find((one) => one === service);
	if (known === undefined) throw noSuchService(service);
	const question = { source, target, service: known, argument };
	parseSource(source, complain);
	if (isInstanceName(target)) {
		const instead = `${program} policy explain ${source} @dispvm:BASE ${service}`;
		throw new UsageError(`${target} is an instance: ask about what it is one of`, instead);
	}
	parseTarget(target, complain);
	checkArgument(known, argument);
	if (isAboutNoVm(known) && target !== "@anyvm") {
		throw new UsageError(
			`${service} is about no single vm: its TARGET is @anyvm`,
			`${program} policy explain ${source} @anyvm ${service}`,
		);
	}
	return ({ policy, known: vms }: PolicyHere): Answer => {
		const rule = findRule(policy.rules, question, toNames(vms));
		if (rule === undefined) return { decision: "deny", by: "nothing", at: null, text: null };
		const by = rule.at === null ? "default" : "rule";
		return { decision: rule.action, by, at: rule.at, text: rule.at?.text ?? formatRule(rule) };
	};
}

/** Throws UsageError. */
function toOpenUrlAnswer(source: string, host: string, argument: string | undefined) {
	if (source !== "@host")
		throw new UsageError(`${openUrlWord} lines are for @host, not for ${formatName(source)}`, help);
	if (argument !== undefined) throw new UsageError(`${openUrlWord} takes no ARGUMENT`, help);
	const pattern = parseHostPattern(host);
	if (pattern === undefined || pattern.startsWith("*")) {
		throw new UsageError(`TARGET is ${formatName(host)}; expected a host (bank.example), in ASCII`, help);
	}
	return ({ policy }: PolicyHere): Answer => {
		const rule = findOpenUrl(policy.openUrls, pattern);
		if (rule === undefined) return { decision: null, by: "nothing", at: null, text: null };
		return { decision: rule.target, by: "rule", at: rule.at, text: rule.at.text };
	};
}

/** These are asked for without a vm's name. */
const isAboutNoVm = (service: Service): boolean => service === "list" || service === "broker";

function complain(sentence: string): never {
	throw new UsageError(sentence, help);
}

function checkArgument(service: Service, argument: string | undefined): void {
	if (argument === undefined) return;
	if (!hasArgument(service)) throw new UsageError(`${service} takes no ARGUMENT`, help);
	/** A command may be anything; a key or a scheme is one of few. */
	if (service !== "exec") parseArgument(`+${argument}`, service, complain);
}

function noSuchService(word: string): UsageError {
	const known = [...services, openUrlWord];
	const meant = nearestName(word, known);
	const hint = meant === undefined ? "" : `; did you mean '${meant}'?`;
	return new UsageError(`SERVICE is ${formatName(word)}; expected one of ${known.join(", ")}${hint}`, help);
}

/** The policy has an answer for them, too. */
function tellMissing(words: readonly string[], { known }: PolicyHere): void {
	if (known instanceof QubesLiteError) return;
	for (const name of new Set(words.flatMap((word) => vmNameIn(word) ?? []))) {
		if (!known.names.includes(name)) process.stderr.write(`${program}: ${noSuchVm(name, known.names).message}\n`);
	}
}

function formatAnswer({ decision, by, at, text }: Answer): string {
	if (by === "nothing") return decision === null ? "no line matches\n" : `${decision}: no rule matches\n`;
	const place = at === null ? "there is no policy file, so that the default holds" : formatPlace(at);
	return `${toSafeText(`${decision}: ${place}: ${text}`).replaceAll("\n", "\uFFFD")}\n`;
}

/** Programs may rely on it (contracts: schema 1). */
function toJson({ decision, by, at, text }: Answer, isOpenUrl: boolean): string {
	const answer = isOpenUrl ? { target: decision } : { decision };
	const place = { file: at?.file ?? null, line: at?.line ?? null, text };
	return `${JSON.stringify({ schema: 1, ...answer, by, ...place }, null, 2)}\n`;
}
