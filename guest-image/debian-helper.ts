/**
 * A helper of a vm that older Debians have no package of: the installed one, else the one that was unpacked before, else that of
 * Debian's trixie or sid. It is unpacked into the cache, never installed; where its libraries are newer than this machine's, it brings them along.
 */
import { copyFile, mkdir, readlink, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf, QubesLiteError } from "../src/errors.ts";
import { toOtherSuite } from "./apt-sources.ts";
import { findUnmet, formatAlternatives, type InstalledPackage, parseRelations } from "./debian-control.ts";
import { makeOwnedPath, withOwnedDirectory } from "./owned-directory.ts";
import { createPrivateApt, type DebianPackage, type PrivateApt, readMachineSources } from "./private-apt.ts";
import { runTool } from "./run-tool.ts";
import { parseLdd } from "./shared-libraries.ts";

export interface DebianHelper {
	/** Of the package, and of the program. */
	readonly name: string;
	/** Where the program is in the package. */
	readonly file: string;
	/** Below the cache: a symlink to the program that was chosen. */
	readonly link: string;
	/** The machine's own: names for PATH, or paths. */
	readonly installed: readonly string[];
	/** Packages that it depends on for what we don't ask of it. */
	readonly unused: readonly string[];
	/** Of the program at `path`; undefined where it does not run, or can't do what it is for. */
	readVersion(path: string, signal: AbortSignal): Promise<string | undefined>;
	/** What is in the way in each suite, and what helps in its place. `tools`: the directory of `link`. */
	toMissing(obstacles: readonly string[], tools: string): QubesLiteError;
}

export interface FoundHelper {
	readonly path: string;
	/** A few words on which one it is. */
	readonly origin: string;
}

/** Older releases have neither of ours as we need it; the older of the two asks less of the machine. */
const suites = ["trixie", "sid"];

/** Printing its version, or its help, takes a program a few milliseconds. */
const answerTimeoutMs = 10_000;

const libraries = "usr/lib/x86_64-linux-gnu";
const loader = "ld-linux-x86-64.so.2";

/** Throws what toMissing() says. */
export async function findHelper(
	helper: DebianHelper,
	cacheDirectory: string,
	signal: AbortSignal,
	note: (text: string) => void,
): Promise<FoundHelper> {
	for (const installed of helper.installed) {
		const version = await helper.readVersion(installed, signal);
		if (version !== undefined) return { path: installed, origin: `${version}, installed` };
	}
	const link = join(cacheDirectory, helper.link);
	const unpacked = await helper.readVersion(link, signal);
	if (unpacked !== undefined) return { path: link, origin: `${unpacked}, unpacked before` };

	const { codename, sources } = await readMachineSources();
	const obstacles: string[] = [];
	for (const suite of suites) {
		note(`asking ${suite}`);
		try {
			const directory = join(cacheDirectory, "apt", suite);
			const apt = await createPrivateApt(directory, toOtherSuite(sources, codename, suite), signal);
			await apt.update();
			const found = await apt.find(helper.name);
			if (found === undefined) {
				obstacles.push(`not in ${suite}`);
				continue;
			}
			const { missing, needsLibraries } = await findNeeds(helper, found, signal);
			if (missing.length > 0) {
				obstacles.push(`${suite}'s ${found.version} needs ${missing.join(", ")}`);
				continue;
			}
			const program = await unpack(helper, apt, found, needsLibraries, dirname(link), signal);
			const version = await helper.readVersion(program, signal);
			if (version !== undefined) {
				await pointTo(program, link);
				return { path: link, origin: `${version} of ${suite}${needsLibraries ? ", with its libraries" : ""}` };
			}
			obstacles.push(`${suite}'s ${found.version} does not run here`);
		} catch (error) {
			signal.throwIfAborted();
			if (!(error instanceof QubesLiteError)) throw error;
			obstacles.push(`${suite} can't be asked (${error.message})`);
		}
	}
	throw helper.toMissing(obstacles, dirname(link));
}

/** What `program` answers to `--version`: the number in it. */
export async function readVersionOf(program: string, signal: AbortSignal): Promise<string | undefined> {
	const words = await readAnswer([program, "--version"], signal);
	return /\d[\w.+~-]*/.exec(words ?? "")?.[0];
}

/** Standard output; undefined where it fails. */
export async function readAnswer(
	argv: readonly [string, ...string[]],
	signal: AbortSignal,
): Promise<string | undefined> {
	try {
		return (await runTool(argv, { signal, timeoutMs: answerTimeoutMs })).toString();
	} catch {
		signal.throwIfAborted();
		return undefined;
	}
}

/** What this machine lacks for it. `missing`: what is no library, and so can't be brought along. */
async function findNeeds(
	{ unused }: DebianHelper,
	found: DebianPackage,
	signal: AbortSignal,
): Promise<{ missing: string[]; needsLibraries: boolean }> {
	const wanted = dependenciesOf(found).filter((any) => !any.some(({ name }) => unused.includes(name)));
	const unmet = await findUnmet(
		wanted,
		await readInstalled(signal),
		async (left, operator, right) => await isVersion(left, operator, right, signal),
	);
	const [libraries, others] = [
		unmet.filter((any) => any.every(isLibrary)),
		unmet.filter((any) => !any.every(isLibrary)),
	];
	return { missing: others.map(formatAlternatives), needsLibraries: libraries.length > 0 };
}

const dependenciesOf = ({ fields }: DebianPackage) => parseRelations(fields.get("depends") ?? "");

/** Debian's policy, 8.1: packages of shared libraries are called after them. */
const isLibrary = ({ name }: { readonly name: string }): boolean => name.startsWith("lib");

/** Unpacks the package so that a directory in `tools` holds the program, complete from the first moment; returns the program's path. */
async function unpack(
	{ name, file }: DebianHelper,
	apt: PrivateApt,
	found: DebianPackage,
	needsLibraries: boolean,
	tools: string,
	signal: AbortSignal,
): Promise<string> {
	const directory = join(tools, `${name}-${found.version}`);
	await withOwnedDirectory(tools, async (work) => {
		const tree = join(work, "tree");
		await mkdir(tree);
		await unpackPackage(apt, found, tree, signal);
		const kept = join(work, "kept");
		await mkdir(kept);
		if (needsLibraries) {
			for (const dependency of dependenciesOf(found).flat().filter(isLibrary)) {
				const library = await apt.find(dependency.name);
				if (library !== undefined) await unpackPackage(apt, library, tree, signal);
			}
			await bringLibraries(join(tree, file), tree, kept, signal);
			await writeFile(join(kept, name), toLauncher(name, basename(directory)), { mode: 0o755 });
		} else {
			await rename(join(tree, file), join(kept, name));
		}
		await rm(directory, { recursive: true, force: true });
		await rename(kept, directory).catch((error: unknown) => {
			// Another build was faster with the same version.
			if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
		});
	});
	return join(directory, name);
}

async function unpackPackage(apt: PrivateApt, wanted: DebianPackage, tree: string, signal: AbortSignal): Promise<void> {
	const directory = join(dirname(tree), wanted.name);
	await mkdir(directory);
	await runTool(["dpkg-deb", "-x", await apt.download(wanted, directory), tree], { signal });
}

/**
 * Puts the program, its libraries and their loader into `kept`/lib. Throws Internal where one of them is not in
 * `tree`: with another release's it might not run.
 */
async function bringLibraries(program: string, tree: string, kept: string, signal: AbortSignal): Promise<void> {
	const ownLoader = join(tree, libraries, loader);
	const words = ["--inhibit-cache", "--library-path", join(tree, libraries), "--list", program];
	const found = parseLdd((await runTool([ownLoader, ...words], { signal })).toString());
	const foreign = found.find((path) => !path.startsWith(`${tree}/`));
	if (foreign !== undefined)
		throw new QubesLiteError("Internal", `${basename(program)} finds ${foreign} of this machine.`);
	const lib = join(kept, "lib");
	await mkdir(lib);
	for (const path of new Set([...found, ownLoader])) {
		await copyFile(await realpath(path), join(lib, basename(path)));
	}
	await rename(program, join(lib, basename(program)));
}

/**
 * From within its directory, wherever that is by now: a path in --library-path must have no colon. A copy of the cache may have a copy of it
 * in the place of the symlink, beside the directory.
 */
const toLauncher = (name: string, directory: string): string => `#!/bin/sh
# ${name} with the libraries of its own release, which are newer than this machine's.
program=$(readlink -f "$0") && cd "\${program%/*}" || exit
[ -d lib ] || cd ${directory} || exit
cd lib && exec ./${loader} --inhibit-cache --library-path . ./${name} "$@"
`;

async function pointTo(program: string, link: string): Promise<void> {
	const target = join(basename(dirname(program)), basename(program));
	if ((await readlink(link).catch(() => undefined)) === target) return;
	const fresh = await makeOwnedPath(dirname(link));
	await symlink(target, fresh);
	await rename(fresh, link);
}

async function readInstalled(signal: AbortSignal): Promise<InstalledPackage[]> {
	const fields = ["db:Status-Status", "Package", "Version", "Provides"];
	const format = `${fields.map((field) => `\${${field}}`).join("\\t")}\\n`;
	const output = (await runTool(["dpkg-query", "-W", "-f", format], { signal })).toString();
	return output.split("\n").flatMap((line) => {
		const [status, packageName = "", version = "", provides = ""] = line.split("\t");
		if (status !== "installed") return [];
		return [{ name: packageName, version, provides: parseRelations(provides).flat() }];
	});
}

async function isVersion(left: string, operator: string, right: string, signal: AbortSignal): Promise<boolean> {
	try {
		await runTool(["dpkg", "--compare-versions", left, operator, right], { signal });
		return true;
	} catch {
		// Exit status 1 is "no", and there is nothing else that a comparison of two strings could fail of.
		signal.throwIfAborted();
		return false;
	}
}
