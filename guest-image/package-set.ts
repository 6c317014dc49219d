/**
 * All the packages that an image is made of, as Debian's signed lists have them, and their files in the cache. The answer of a day is kept, so that
 * a build with nothing new asks nobody; the files are kept until `image gc`.
 */
import { link, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageWish } from "../src/config/image.ts";
import { QubesLiteError } from "../src/errors.ts";
import { toWishKey } from "../src/vmm/image-wish.ts";
import { formatDebianSources, toGuestSources, toOtherRelease } from "./apt-sources.ts";
import { parseStanza, type Stanza } from "./debian-control.ts";
import { makeOwnedPath } from "./owned-directory.ts";
import { lacksRelease, unknownRelease } from "./package-words.ts";
import { createPrivateApt, type DebianPackage, readMachineSources } from "./private-apt.ts";
import { wordsOf } from "./run-tool.ts";
import { hashFile, hashStrings } from "./sha256.ts";

/** What makes a guest of Debian one of ours: systemd, windows by waypipe, sound by PulseAudio's protocol, a font, what opens links; and what is essential in some releases alone. */
export const guestPackages = [
	"dbus-user-session",
	"fonts-dejavu-core",
	"iproute2",
	"libpam-systemd",
	"libpulse0",
	"libstdc++6",
	"login",
	"passwd",
	"procps",
	"systemd",
	"systemd-resolved",
	"systemd-sysv",
	"udev",
	"waypipe",
	"xdg-utils",
] as const;

/** With it none of the packages brings Perl along to merge /usr; later releases have it no more. */
export const usrIsMerged = "usr-is-merged";

/** In each Debian with apt (package debian-archive-keyring). */
const guestKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** As of a kernel (debian-kernel.ts). */
const answerMaxAgeMs = 24 * 60 * 60 * 1000;

export interface PackageSet {
	/** Of Debian: "bookworm". */
	readonly suite: string;
	readonly packages: readonly DebianPackage[];
	/** Differs where a single one of them has another content. */
	readonly hash: string;
	readonly downloadBytes: number;
	readonly installedBytes: number;
}

export interface PackageSource {
	/** Where its packages are from, as a deb822 file for the guest's own apt. */
	readonly aptSources: string;
	/** The newest packages: a fresh answer, else apt's, else (Debian can't be asked) the last answer whatever its age, told to `warn`. */
	find(options: { refresh: boolean; warn: (sentence: string) => void }): Promise<PackageSet>;
	/** Makes of `directory` an archive of the set's packages for apt; downloads those that are not in the cache. */
	bring(set: PackageSet, directory: string, onPercent: (percent: number) => void): Promise<void>;
	/** Where the tree that these packages make is kept as an archive, if it was made in the way of `how`; those of other ways and packages go. */
	prepareBase(set: PackageSet, how: string): Promise<string>;
}

/** Below the cache: files of packages by suite, and answers by wish. */
export const packagePlaces = { files: "packages", answers: "downloads" } as const;

const namesOf = ({ packages }: ImageWish): string[] => [...guestPackages, `?exact-name(${usrIsMerged})`, ...packages];

/** It is an answer to all names that were asked for, ours with the wish's. */
export const answerName = (wish: ImageWish, suite: string): string =>
	`packages-${suite}-${toWishKey(wish)}-${hashStrings(namesOf(wish)).slice(0, 8)}`;

/** `vms`: that have the wish. */
export async function createPackageSource(
	cacheDirectory: string,
	wish: ImageWish,
	vms: readonly string[],
	signal: AbortSignal,
): Promise<PackageSource> {
	const { codename, sources } = await readMachineSources();
	const suite = wish.suite ?? codename;
	const files = join(cacheDirectory, packagePlaces.files, suite);
	const answer = join(cacheDirectory, packagePlaces.answers, answerName(wish, suite));
	const openApt = async () => {
		const directory = join(cacheDirectory, "apt", suite === codename ? codename : `${suite}-with-updates`);
		return await createPrivateApt(directory, toOtherRelease(sources, codename, suite), signal);
	};

	const ask = async (refresh: boolean): Promise<PackageSet> => {
		const apt = await openApt();
		await apt.updateOlderThan(refresh ? 0 : answerMaxAgeMs).catch((error: unknown) => {
			const said = wordsOf(error instanceof Error ? error.cause : undefined);
			throw wish.suite !== undefined && lacksRelease(said, suite) ? unknownRelease(suite, vms, error) : error;
		});
		const packages = await apt.resolve(namesOf(wish), suite);
		const fresh = await makeOwnedPath(join(cacheDirectory, packagePlaces.answers));
		await writeFile(fresh, formatList(packages));
		await rename(fresh, answer);
		return toSet(suite, packages);
	};

	return {
		aptSources: formatDebianSources(toGuestSources(toOtherRelease(sources, codename, suite)), guestKeyring),

		async find({ refresh, warn }) {
			const last = await readAnswer(answer);
			if (last !== undefined && last.ageMs >= 0 && last.ageMs < answerMaxAgeMs && !refresh)
				return toSet(suite, last.packages);
			try {
				return await ask(refresh);
			} catch (error) {
				signal.throwIfAborted();
				if (last === undefined || !(error instanceof QubesLiteError) || error.code === "BadRequest") throw error;
				warn(`The packages stay those of ${Math.floor(last.ageMs / 3_600_000)} hours ago. ${error.message}`);
				return toSet(suite, last.packages);
			}
		},

		async bring({ packages }, directory, onPercent) {
			await mkdir(files, { recursive: true, mode: 0o700 });
			const missing: DebianPackage[] = [];
			for (const one of packages) {
				const file = join(files, fileNameOf(one));
				if (await isAs(file, one)) continue;
				// apt would take one of the right size for the right one, and refuse it only when it is installed.
				await rm(file, { force: true });
				missing.push(one);
			}
			if (missing.length > 0) {
				const apt = await openApt();
				// All of them: apt judges the set as a whole, and gets what is missing.
				await apt.fetch(packages, files, onPercent);
			}
			for (const one of packages) {
				const [from, to] = [join(files, fileNameOf(one)), join(directory, `${one.name}.deb`)];
				await link(from, to).catch(async () => await symlink(from, to));
			}
			// By its hashes apt judges the files again when it takes them.
			await writeFile(join(directory, "Packages"), formatList(packages));
		},

		async prepareBase({ hash }, how) {
			const start = baseStart(toWishKey(wish));
			const name = `${start}${hashStrings([hash, how]).slice(0, 16)}.tar.gz`;
			await mkdir(files, { recursive: true, mode: 0o700 });
			const others = (await readdir(files)).filter((other) => other.startsWith(start) && other !== name);
			await Promise.all(others.map(async (other) => await rm(join(files, other), { force: true })));
			return join(files, name);
		},
	};
}

async function isAs(file: string, { size, sha256 }: DebianPackage): Promise<boolean> {
	const found = await stat(file).catch(() => undefined);
	return found?.size === size && (await hashFile(file)) === sha256;
}

/** Of a wish's archives the name's beginning. */
export const baseStart = (wishKey: string): string => `base-${wishKey}-`;

function toSet(suite: string, packages: readonly DebianPackage[]): PackageSet {
	const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
	return {
		suite,
		packages,
		hash: hashStrings(packages.map(({ sha256 }) => sha256).sort()),
		downloadBytes: sum(packages.map(({ size }) => size)),
		// KiB, by Debian's policy, 5.6.20.
		installedBytes: sum(packages.map(({ fields }) => (Number(fields.get("installed-size")) || 0) * 1024)),
	};
}

/** As apt names a package's file: without what a URL would take for something else. */
export function fileNameOf({ name, version, fields }: DebianPackage): string {
	return `${name}_${version.replaceAll(":", "%3a")}_${fields.get("architecture")}.deb`;
}

/** A `Packages` file (repository format), with each file beside it. */
export function formatList(packages: readonly DebianPackage[]): string {
	return packages.map((one) => formatStanza(one.fields, `./${one.name}.deb`)).join("\n");
}

/** What decides about installing, and the file; descriptions are for people. */
const unused = ["filename", "description", "description-md5", "homepage", "tag"];

const formatStanza = (fields: Stanza, file: string): string =>
	[...[...fields].filter(([name]) => !unused.includes(name)), ["filename", file] as const]
		.map(([name, value]) => `${name}: ${value}\n`)
		.join("");

/** What formatList() has written. */
export function parseList(text: string): DebianPackage[] {
	return text.split(/\n\n+/).flatMap((stanza) => {
		const fields = parseStanza(stanza);
		if (fields === undefined) return [];
		const [name = "", version = "", sha256 = ""] = ["package", "version", "sha256"].map((field) => fields.get(field));
		return [{ name, version, sha256, size: Number(fields.get("size")), fields }];
	});
}

/** Undefined where it is not there, or holds none. */
export async function readList(file: string): Promise<DebianPackage[] | undefined> {
	const packages = parseList(await readFile(file, "utf8").catch(() => ""));
	return packages.length === 0 ? undefined : packages;
}

async function readAnswer(file: string): Promise<{ packages: DebianPackage[]; ageMs: number } | undefined> {
	const packages = await readList(file);
	if (packages === undefined) return undefined;
	return { packages, ageMs: Date.now() - (await stat(file)).mtimeMs };
}
