/**
 * `qubes-lite install`: puts units, completion, man pages and commands into the user's own places, and lets systemd listen for
 * clients. A second run brings all of it up to date. Whatever fails, all is as it was before.
 */
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { type Environment, findConfig } from "../../config/find-config.ts";
import type { Config } from "../../config/schema.ts";
import { QubesLiteError } from "../../errors.ts";
import { findProgram } from "../../host/programs.ts";
import { checkRuntimeDirectory } from "../../runtime-directory.ts";
import type { EntryChange } from "../desktop/plan-entries.ts";
import { type Answers, askForPrograms, putPrograms, sayLeft } from "../desktop/sync.ts";
import { findLacking, type ServiceVariable } from "../service-environment.ts";
import { applyPlan } from "./apply-plan.ts";
import { workAlone } from "./installation-lock.ts";
import { recoverManifest } from "./kept-manifest.ts";
import { Manager } from "./manager.ts";
import { noManifest, readManifest } from "./manifest.ts";
import { formatPath, formatRemoval, type Places, toPlaces } from "./places.ts";
import { type Plan, type PlannedChange, planChanges } from "./plan-changes.ts";
import { checkUnitSpecifiers } from "./unit-specifiers.ts";
import { toWantedFiles } from "./wanted-files.ts";

/** Prints what changes, one line for each file; resolves with 0. */
export async function install(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("install", words);
	const isDry = parsed.has("dryRun");
	const { config } = await findConfig(process.env);
	/**
	 * Before anything is locked or changed: guests take their time. Who only wants to know what would be done runs nothing in them, and is no
	 * use of them: their last reports do.
	 */
	const vms = isDry ? [] : config.vms.map(({ name }) => name);
	const answers = config.desktop ? await askForPrograms({ vms, mayBoot: false }, process.env) : undefined;
	const work = async (signal?: AbortSignal): Promise<void> => {
		await putInPlace(parsed.has("force"), isDry, signal);
		if (answers !== undefined) await putIntoMenu(config, answers, isDry);
	};
	await (isDry ? work() : workAlone(process.env, work));
	return 0;
}

/** All else is done by now, and works without: it is not broken off, and what goes wrong is said and no more. */
async function putIntoMenu(config: Config, answers: Answers, isDry: boolean): Promise<void> {
	try {
		const { changes, left } = await putPrograms(config, answers, { isDry }, process.env);
		process.stdout.write(changes.map((change) => formatEntryChange(change, isDry)).join(""));
		sayLeft(left);
	} catch (cause) {
		const { message, remedy } = QubesLiteError.from(cause);
		say([new QubesLiteError("Internal", `the menu is not up to date: ${message}`, { remedy })]);
	}
}

function formatEntryChange({ path, to, isNew }: EntryChange, isDry: boolean): string {
	return formatChange({ path, to, kind: "entry", from: isNew ? undefined : to }, isDry);
}

async function putInPlace(isForced: boolean, isDry: boolean, signal?: AbortSignal): Promise<void> {
	const env = process.env;
	checkUnitSpecifiers(env);
	const { config } = await findConfig(env);
	const manager = await Manager.find(env);
	if (manager instanceof Manager) await manager.check();
	const places = toPlaces(env, manager instanceof Manager ? await manager.unitHome() : undefined);
	const last = isDry ? await readManifest(places.manifest) : await recoverManifest(places);
	const variables = findLacking(env, manager instanceof Manager ? await manager.environment() : {});
	const { wanted, left } = toWantedFiles(config, places, env, variables);
	const plan = await planChanges(wanted, last ?? noManifest, places.units, isForced);
	if (!isDry) await applyPlan(plan, last, places, manager, signal);
	process.stdout.write(plan.changes.map((change) => formatChange(change, isDry)).join(""));
	say([...left, ...toRemarks(config, plan, env, places, manager), ...toVariablesRemark(variables)]);
}

function formatChange({ path, from, to }: PlannedChange, isDry: boolean): string {
	if (to === undefined) return formatRemoval(path, isDry);
	if (isDry) return `${(from === undefined ? "would make" : "would change").padEnd(12)} ${formatPath(path)}\n`;
	return `${(from === undefined ? "made" : "changed").padEnd(8)} ${formatPath(path)}\n`;
}

/** What the user should know of it: a sentence each, with what to do about it. */
function toRemarks(
	config: Config,
	{ changes, edited }: Plan,
	env: Environment,
	places: Places,
	manager: Manager | string,
): QubesLiteError[] {
	const remark = (sentence: string, remedy?: string) => new QubesLiteError("Unsupported", sentence, { remedy });
	const search = (env.PATH ?? "").split(":");
	const remarks: QubesLiteError[] = [];
	const refusal = findRuntimeProblem(env);
	if (refusal !== undefined) remarks.push(refusal);
	else if (changes.length === 0) remarks.push(remark("everything is as it should be"));
	if (typeof manager === "string") {
		remarks.push(remark(`${manager}, so nothing was started: the first command starts the broker itself`));
	}
	if (config.supervisor === "direct") {
		remarks.push(remark('vms have no units: "supervisor" is "direct" in the configuration'));
	}
	for (const path of edited) remarks.push(remark(`${formatPath(path)} was changed by hand, and stays`));
	if (!search.includes(places.programs)) {
		remarks.push(remark(`${formatPath(places.programs)} is not on your PATH`, 'export PATH="$HOME/.local/bin:$PATH"'));
	}
	if (findProgram(env.PATH ?? "", "zsh") !== undefined && changes.some(({ path }) => path.endsWith("/_qubes-lite"))) {
		const fpath = `fpath=(${formatPath(places.zshCompletion)} $fpath)`;
		remarks.push(remark("zsh looks for completion in fpath only", `${fpath}   # in ~/.zshrc, before compinit`));
	}
	if (changes.some(({ to }) => to !== undefined)) {
		remarks.push(remark("after a change of the vms' names or of autoStart in the configuration, install again"));
	}
	return remarks;
}

function toVariablesRemark(variables: readonly ServiceVariable[]): QubesLiteError[] {
	if (variables.length === 0) return [];
	const names = variables.map(({ name }) => name).join(", ");
	const sentence = `the broker that systemd starts has ${names} from this shell, until it is installed again without`;
	return [new QubesLiteError("Unsupported", sentence)];
}

/** Where it is, each command is refused with the same words. */
function findRuntimeProblem(env: Environment): QubesLiteError | undefined {
	try {
		checkRuntimeDirectory(env);
		return undefined;
	} catch (cause) {
		return QubesLiteError.from(cause);
	}
}

function say(remarks: readonly QubesLiteError[]): void {
	for (const { message, remedy } of remarks) {
		process.stderr.write(`qubes-lite: ${message}\n${remedy === undefined ? "" : `  → ${remedy}\n`}`);
	}
}
