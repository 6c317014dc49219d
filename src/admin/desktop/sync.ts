/** `qubes-lite desktop sync`: the host's menu has the programs that the configuration lists and that guests report. */
import { basename } from "node:path";
import { parseCommand, UsageError } from "../../cli/commands/parse-command.ts";
import { program } from "../../cli/commands/qubes-lite.ts";
import { type Environment, findConfig } from "../../config/find-config.ts";
import type { Config } from "../../config/schema.ts";
import { noSuchVm, parseVmName } from "../../config/vm-name.ts";
import type { Report } from "../../desktop/report.ts";
import type { QubesLiteError } from "../../errors.ts";
import { formatColumns } from "../../terminal/columns.ts";
import { workAlone } from "../install/installation-lock.ts";
import { formatPath } from "../install/places.ts";
import { lookHere } from "../terminal-look.ts";
import { askGuests } from "./ask-guest.ts";
import { type DesktopPlaces, toDesktopPlaces } from "./desktop-places.ts";
import { readReport } from "./kept-reports.ts";
import type { EntryChange, EntryPlan } from "./plan-entries.ts";
import { type Putting, putEntries } from "./put-entries.ts";
import { toWantedEntries } from "./wanted-entries.ts";

interface SyncOptions {
	/** Guests that are asked, if they run. */
	readonly vms: readonly string[];
	readonly mayBoot: boolean;
	readonly isDry: boolean;
}

interface Synced extends EntryPlan {
	/** By vm: how many programs its guest has reported now, or in words why it has not. */
	readonly asked: ReadonlyMap<string, number | string>;
	readonly remarks: readonly QubesLiteError[];
}

/** Prints what has changed; resolves with 0, or with 1 where a vm that was named has not answered. */
export async function desktopSync(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("desktop sync", words);
	const { config } = await findConfig(process.env);
	const names = config.vms.map(({ name }) => name);
	const vms = parsed.operands.map((word) => checkName(word, names));
	if (parsed.has("noAsk") && (parsed.has("boot") || vms.length > 0)) {
		throw new UsageError(
			"--no-ask asks nobody: it goes with neither --boot nor a VM",
			`${program} desktop sync --help`,
		);
	}
	const asked = parsed.has("noAsk") ? [] : vms.length > 0 ? vms : names;
	const options = { mayBoot: parsed.has("boot"), isDry: parsed.has("dryRun"), vms: asked };
	const synced = await syncDesktop(config, options, process.env);
	process.stdout.write(parsed.has("json") ? formatJson(synced) : formatChanges(synced.changes, options.isDry));
	sayRemarks(synced);
	/** Who names a vm wants to hear of it. */
	const isUnheard = vms.some((vm) => typeof synced.asked.get(vm) === "string");
	if (synced.changes.length === 0 && !isUnheard && !parsed.has("json")) say("the menu is as it should be");
	return isUnheard ? 1 : 0;
}

/** Guests are asked first, and whoever installs meanwhile does not wait for them. */
async function syncDesktop(config: Config, options: SyncOptions, env: Environment): Promise<Synced> {
	const answers = await askForPrograms(options, env);
	const put = (signal?: AbortSignal): Promise<Synced> => putPrograms(config, answers, { ...options, signal }, env);
	return options.isDry ? await put() : await workAlone(env, put);
}

export const askForPrograms = (
	{ vms, mayBoot }: Pick<SyncOptions, "vms" | "mayBoot">,
	env: Environment,
): Promise<Answers> => askGuests(vms, { env, root: toDesktopPlaces(env).root, mayBoot });

/** What guests have answered just now, by vm. */
export type Answers = ReadonlyMap<string, Report | string>;

/** For whoever has the lock of installations, unless `isDry`. */
export async function putPrograms(
	config: Config,
	answers: Answers,
	how: Pick<Putting, "isDry" | "signal">,
	env: Environment,
): Promise<Synced> {
	const places = toDesktopPlaces(env);
	const { wanted, remarks } = await toWantedEntries(config, await gatherReports(config, answers, places), places);
	const plan = await putEntries(wanted, { ...how, places });
	return { ...plan, remarks, asked: new Map([...answers].map(([vm, answer]) => [vm, toOutcome(answer)])) };
}

/** What a guest has just said, else what it has said last. */
async function gatherReports(
	{ vms }: Config,
	answers: Answers,
	{ reports }: DesktopPlaces,
): Promise<Map<string, Report>> {
	const gathered = new Map<string, Report>();
	for (const { name } of vms) {
		const answer = answers.get(name);
		const report = answer === undefined || typeof answer === "string" ? await readReport(reports, name) : answer;
		if (report !== undefined) gathered.set(name, report);
	}
	return gathered;
}

const toOutcome = (answer: Report | string): number | string =>
	typeof answer === "string" ? answer : answer.programs.length;

function checkName(word: string, names: readonly string[]): string {
	const name = parseVmName(word);
	if (!names.includes(name)) throw noSuchVm(name, names);
	return name;
}

const verbs = { made: "made", changed: "changed", removed: "removed" } as const;
const dryVerbs = { made: "would make", changed: "would change", removed: "would remove" } as const;

const toVerb = ({ to, isNew }: EntryChange): keyof typeof verbs => {
	if (to === undefined) return "removed";
	return isNew ? "made" : "changed";
};

/** "qubes-lite-shopping_firefox.desktop", or its icon. */
function toSubject(path: string): { vm: string; program: string } | undefined {
	const match = /^qubes-lite-([a-z0-9-]+)_(.+)\.(?:desktop|png|svg)$/.exec(basename(path));
	return match === null ? undefined : { vm: match[1] ?? "", program: match[2] ?? "" };
}

/** What a person sees in the menu: no reports, and no icons of what is listed anyway. */
function toShown(changes: readonly EntryChange[]): readonly EntryChange[] {
	const entries = changes.filter(({ kind }) => kind !== "own");
	return entries.length > 0 ? entries : changes;
}

export function formatChanges(changes: readonly EntryChange[], isDry: boolean): string {
	if (changes.length === 0) return "";
	const rows = toShown(changes).map((change) => {
		const subject = toSubject(change.path);
		const verb = (isDry ? dryVerbs : verbs)[toVerb(change)];
		return [verb, subject?.vm ?? "", subject?.program ?? "", formatPath(change.path)];
	});
	return formatColumns(["CHANGE", "VM", "PROGRAM", "FILE"], rows, lookHere());
}

function formatJson({ changes, left, asked, remarks }: Synced): string {
	const answered = [...asked].map(([vm, answer]) =>
		typeof answer === "number" ? { vm, programs: answer } : { vm, problem: answer },
	);
	return `${JSON.stringify({
		schema: 1,
		changes: changes.map((change) => ({ change: toVerb(change), path: change.path, ...toSubject(change.path) })),
		asked: answered,
		left,
		remarks: remarks.map((remark) => remark.toFacts()),
	})}\n`;
}

/** What did not go as it should, on stderr. */
function sayRemarks({ asked, left, remarks }: Synced): void {
	for (const [vm, answer] of asked) if (typeof answer === "string") say(`${vm} was not heard: ${answer}`);
	sayLeft(left);
	for (const { message } of remarks) say(message);
}

export function sayLeft(left: EntryPlan["left"]): void {
	for (const { path, why } of left) say(`${formatPath(path)} ${why}, and stays`);
}

export const say = (text: string): boolean => process.stderr.write(`${program}: ${text}\n`);
