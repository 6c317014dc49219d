/** A configuration's text in, checked vms out, or one error with every problem: nobody fixes a file one line at a time. */
import * as v from "valibot";
import { QubesLiteError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { findDependencyProblems } from "./dependencies.ts";
import { diskEntries, rootDiskEntries } from "./disks.ts";
import { findDisplayProblems } from "./display.ts";
import { disposablePoolEntries, findPoolProblems, type PoolProblem } from "./disposable-pool.ts";
import { formatValue } from "./format-value.ts";
import { crosvmEntries, findCapabilityProblems } from "./hypervisor.ts";
import { imageEntries } from "./image.ts";
import { isJsonObject, type JsonObject, type JsonPath, JsonSyntaxError, parseJson } from "./json.ts";
import { shutdownEntries } from "./lifecycle.ts";
import { programEntries } from "./programs.ts";
import { type Config, configEntries, configSchema, vmEntries } from "./schema.ts";
import { sharedDirectoryEntries } from "./shared-directories.ts";

interface Problem {
	readonly path: JsonPath;
	/** What follows the path: "is 4; expected an odd whole number from 3 to 255". */
	readonly text: string;
}

/** A file with more problems has one cause; the rest would only push it off the screen. */
const maxListed = 50;

/** The configuration in `text`; `source` names the file in the message. Throws BadRequest, one problem a line. */
export function parseConfig(text: string, source: string): Config {
	const { value, repeatedKeys } = parseSyntax(text, source);
	const result = v.safeParse(configSchema, value, { abortPipeEarly: true });
	const problems = [
		...repeatedKeys.map((path) => ({ path, text: "is there twice; expected each key once" })),
		...listObjects(value).flatMap(([object, path, entries]) => findUnknownKeys(object, Object.keys(entries), path)),
		...(result.issues ?? []).filter((issue) => issue.expected !== "never").map(toProblem),
		...findRepeats(value, "id"),
		...findRepeats(value, "name"),
		...findPoolProblems(poolOf(value), listVms(value)).map(toPoolProblem),
		...(result.success ? findBadDependencies(result.output) : []),
		...(result.success
			? [...findCapabilityProblems(result.output.vms), ...findDisplayProblems(result.output.vms)]
			: []
		).map(({ path, value: is, expected }) => ({
			path,
			text: `is ${formatValue(is)}; expected ${expected}`,
		})),
	];
	if (result.success && problems.length === 0) return result.output;
	const lines = problems
		.sort((a, b) => toVmIndex(a.path) - toVmIndex(b.path))
		.map((problem) => `${formatPath(problem.path)} ${problem.text}`);
	throw badConfig(source, lines);
}

function parseSyntax(text: string, source: string): ReturnType<typeof parseJson> {
	try {
		return parseJson(text);
	} catch (error) {
		if (error instanceof JsonSyntaxError) throw badConfig(source, [`not JSON at ${error.message}`]);
		throw error;
	}
}

function badConfig(source: string, lines: readonly string[]): QubesLiteError {
	const count = lines.length === 1 ? "a problem" : `${lines.length} problems`;
	const listed = lines.slice(0, maxListed).map((line) => `\n  ${line}`);
	if (lines.length > maxListed) listed.push(`\n  and ${lines.length - maxListed} more`);
	return new QubesLiteError("BadRequest", `${source} has ${count}:${listed.join("")}`, {
		remedy: `correct ${source} and try again`,
	});
}

/** strictObject stops at the first unknown key (its issue is dropped above); people want all of them, and a guess. */
function findUnknownKeys(value: unknown, known: readonly string[], path: JsonPath): Problem[] {
	if (!isJsonObject(value)) return [];
	return Object.keys(value)
		.filter((key) => !known.includes(key))
		.map((key) => {
			const nearest = nearestName(key, known);
			const hint = nearest === undefined ? `expected one of ${known.join(", ")}` : `did you mean "${nearest}"?`;
			return { path: [...path, key], text: `is ${formatValue(value[key])}; no such key: ${hint}` };
		});
}

function toProblem(issue: v.InferIssue<typeof configSchema>): Problem {
	const path = (issue.path ?? []).map((item) => item.key as string | number);
	// Of a missing key valibot says only its name; the message that the value would have got says what is missing.
	const missing = issue.path?.at(-1)?.origin === "key";
	if (missing) return { path, text: `is missing; expected ${toMissingMessage(path)}` };
	/** What is wrong about two keys together is said of one of them. */
	const value = issue.path === undefined ? issue.input : issue.path.at(-1)?.value;
	return { path, text: `is ${formatValue(value)}; expected ${issue.message}` };
}

function toMissingMessage(path: JsonPath): string {
	const parent = path.slice(0, -1);
	const key = parent.findLast((step) => typeof step === "string");
	const entries: JsonObject = key === undefined ? configEntries : ((nested[key] ?? vmEntries) as JsonObject);
	const entry = entries[path.at(-1) ?? ""];
	return isJsonObject(entry) ? String(entry.message) : "a value";
}

/** The keys of the objects in a file or a vm, by the key that has the object, or a list of such. */
const nested: Readonly<Record<string, JsonObject>> = {
	vms: vmEntries,
	disposablePool: disposablePoolEntries,
	shutdown: shutdownEntries,
	disks: diskEntries,
	rootDisk: rootDiskEntries,
	image: imageEntries,
	sharedDirectories: sharedDirectoryEntries,
	programs: programEntries,
	crosvm: crosvmEntries,
};

/** Each object of the format's, with its place and the keys that it may have. */
function listObjects(value: unknown): [JsonObject, JsonPath, JsonObject][] {
	const within = (object: unknown, path: JsonPath, entries: JsonObject): [JsonObject, JsonPath, JsonObject][] => {
		if (!isJsonObject(object)) return [];
		const inner = Object.entries(nested)
			.filter(([key]) => key in entries)
			.flatMap(([key, keys]) => {
				const at = object[key];
				if (!Array.isArray(at)) return within(at, [...path, key], keys);
				return at.slice(0, maxItems).flatMap((one, index) => within(one, [...path, key, index], keys));
			});
		return [[object, path, entries], ...inner];
	};
	return within(value, [], configEntries);
}

/** A list with more is a problem by that alone; no list of the format takes as many. */
const maxItems = 128;

const poolOf = (value: unknown): unknown => (isJsonObject(value) ? value.disposablePool : undefined);

function toPoolProblem({ path, value, expected }: PoolProblem): Problem {
	const words = expected.map((part) => (typeof part === "string" ? part : formatPath(part)));
	return { path, text: `is ${formatValue(value)}; expected ${words.join("")}` };
}

function listVms(value: unknown): [JsonObject, JsonPath][] {
	if (!isJsonObject(value) || !Array.isArray(value.vms)) return [];
	return value.vms.flatMap((vm, index): [JsonObject, JsonPath][] => (isJsonObject(vm) ? [[vm, ["vms", index]]] : []));
}

/** Each later vm whose `key` an earlier one has. */
function findRepeats(value: unknown, key: "id" | "name"): Problem[] {
	const first = new Map<unknown, JsonPath>();
	return listVms(value).flatMap(([vm, vmPath]) => {
		const path = [...vmPath, key];
		const earlier = first.get(vm[key]);
		if (earlier === undefined) {
			if (vm[key] !== undefined) first.set(vm[key], path);
			return [];
		}
		return [{ path, text: `is ${formatValue(vm[key])}; expected another than that of ${formatPath(earlier)}` }];
	});
}

/** Of vms that are right each for itself. */
function findBadDependencies({ vms }: Config): Problem[] {
	const needs = new Map(vms.map(({ name, dependsOn }) => [name, dependsOn]));
	return findDependencyProblems(needs).map(({ vm, index, text }) => {
		const at = vms.findIndex(({ name }) => name === vm);
		return {
			path: ["vms", at, "dependsOn", index],
			text: `is ${formatValue(vms[at]?.dependsOn[index])}; ${text}`,
		};
	});
}

/** What the file says of itself comes first, then one vm after the other. */
function toVmIndex(path: JsonPath): number {
	return typeof path[1] === "number" ? path[1] : -1;
}

/** `vms[1].id`; a key that is no plain word comes as `["my key"]`. */
function formatPath(path: JsonPath): string {
	if (path.length === 0) return "the whole file";
	const steps = path.map((step) => {
		if (typeof step === "number") return `[${step}]`;
		return /^[$\w-]{1,60}$/.test(step) ? `.${step}` : `[${formatValue(step)}]`;
	});
	return steps.join("").replace(/^\./, "");
}
