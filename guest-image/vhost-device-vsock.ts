/**
 * Finds `vhost-device-vsock`, the helper that gives QEMU and crosvm guests their vsock: the installed one, else the one
 * that was unpacked before, else Debian's trixie's or sid's package, where its dependencies allow. It is unpacked into
 * the cache, never installed.
 */
import { mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf, QubesLiteError } from "../src/errors.ts";
import { cachePaths } from "../src/vmm/image-manifest.ts";
import { toOtherSuite } from "./apt-sources.ts";
import { findUnmet, formatAlternatives, type InstalledPackage, parseRelations } from "./debian-control.ts";
import { makeOwnedPath, withOwnedDirectory } from "./owned-directory.ts";
import { createPrivateApt, readMachineSources } from "./private-apt.ts";
import { runTool } from "./run-tool.ts";

export interface VhostDeviceVsock {
	readonly path: string;
	/** A few words on which one it is. */
	readonly origin: string;
}

const name = "vhost-device-vsock";

/** Older releases don't have it; the older of the two asks less of the machine. */
const suites = ["trixie", "sid"];

/** Printing its version takes it a few milliseconds. */
const versionTimeoutMs = 10_000;

/** Throws what toMissing() says. */
export async function findVhostDeviceVsock(
	cacheDirectory: string,
	signal: AbortSignal,
	note: (text: string) => void,
): Promise<VhostDeviceVsock> {
	const installed = await readVersion(name, signal);
	if (installed !== undefined) return { path: name, origin: `${installed}, installed` };
	const link = join(cacheDirectory, cachePaths.vhostDeviceVsock);
	const unpacked = await readVersion(link, signal);
	if (unpacked !== undefined) return { path: link, origin: `${unpacked}, unpacked before` };

	const { codename, sources } = await readMachineSources();
	const obstacles: string[] = [];
	for (const suite of suites) {
		note(`asking ${suite}`);
		try {
			const apt = await createPrivateApt(
				join(cacheDirectory, "apt", suite),
				toOtherSuite(sources, codename, suite),
				signal,
			);
			await apt.update();
			const found = await apt.find(name);
			if (found === undefined) {
				obstacles.push(`not in ${suite}`);
				continue;
			}
			const unmet = await findUnmet(
				parseRelations(found.fields.get("depends") ?? ""),
				await readInstalled(signal),
				async (left, operator, right) => await isVersion(left, operator, right, signal),
			);
			if (unmet.length > 0) {
				obstacles.push(`${suite}'s ${found.version} needs ${unmet.map(formatAlternatives).join(", ")}`);
				continue;
			}
			const binary = await withOwnedDirectory(dirname(link), async (directory) => {
				const deb = await apt.download(found, directory);
				return await unpack(deb, join(dirname(link), `${name}-${found.version}`), signal);
			});
			const version = await readVersion(binary, signal);
			if (version !== undefined) {
				await pointTo(binary, link);
				return { path: link, origin: `${version} of ${suite}` };
			}
			obstacles.push(`${suite}'s ${found.version} does not run here`);
		} catch (error) {
			signal.throwIfAborted();
			if (!(error instanceof QubesLiteError)) throw error;
			obstacles.push(`${suite} can't be asked (${error.message})`);
		}
	}
	throw toMissing(obstacles, dirname(link));
}

/** What is in the way in each suite, and what helps in its place. Called after the image is there. */
export function toMissing(obstacles: readonly string[], tools: string): QubesLiteError {
	const tried = obstacles.join("; ");
	return new QubesLiteError(
		"Unsupported",
		`The guest image is there, but ${name} is missing, by which the host speaks with guests: it is not on PATH, not in ${tools}, and Debian's could not be had: ${tried}.`,
		{
			remedy: `One of these helps, and then this command again:
  - a network or mirror on which Debian's trixie or sid can be asked
  - your distribution's package, where it has one: ${name}
  - with Rust: cargo install ${name}
  - the program from another machine, on PATH or as ${join(tools, name)}`,
		},
	);
}

/** Unpacks the package so that `directory` holds the binary, complete from the first moment; returns the binary's path. */
async function unpack(deb: string, directory: string, signal: AbortSignal): Promise<string> {
	const tree = join(dirname(deb), "tree");
	await mkdir(tree);
	await runTool(["dpkg-deb", "-x", deb, tree], { signal });
	const kept = join(dirname(deb), "kept");
	await mkdir(kept);
	await rename(join(tree, "usr/bin", name), join(kept, name));
	await rm(directory, { recursive: true, force: true });
	await rename(kept, directory).catch((error: unknown) => {
		// Another build was faster with the same version.
		if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
	});
	return join(directory, name);
}

async function pointTo(binary: string, link: string): Promise<void> {
	const target = join(basename(dirname(binary)), basename(binary));
	if ((await readlink(link).catch(() => undefined)) === target) return;
	const fresh = await makeOwnedPath(dirname(link));
	await symlink(target, fresh);
	await rename(fresh, link);
}

async function readVersion(program: string, signal: AbortSignal): Promise<string | undefined> {
	try {
		const words = (await runTool([program, "--version"], { signal, timeoutMs: versionTimeoutMs })).toString();
		return /\d[\w.+~-]*/.exec(words)?.[0];
	} catch {
		signal.throwIfAborted();
		return undefined;
	}
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
