/**
 * The Debian archive that this machine uses, out of apt's own configuration: one-line `sources.list` and deb822
 * `.sources` files. Only these are read; other people's repositories are left out, because the guest is made of Debian.
 */

/** One `deb` line or stanza, not yet judged. */
export interface AptEntry {
	readonly uris: readonly string[];
	readonly suites: readonly string[];
	readonly components: readonly string[];
	readonly signedBy: string | undefined;
}

/** One archive and one suite of it. */
export interface DebianSource {
	readonly uri: string;
	readonly suite: string;
}

/** Real machines have a handful of entries; a file beyond this is not a list of sources. */
const entriesMax = 500;

/** Entries of a one-line file: `deb [arch=amd64 signed-by=…] http://host/debian bookworm main`. */
export function parseOneLineSources(text: string): AptEntry[] {
	const entries: AptEntry[] = [];
	for (const line of text.split("\n")) {
		const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+[^#\s]\S*)*)\s*(?:#.*)?$/.exec(line);
		if (match === null) continue;
		const [, options = "", uri = "", suite = "", components = ""] = match;
		const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
		entries.push({ uris: [uri], suites: [suite], components: toWords(components), signedBy });
		if (entries.length >= entriesMax) break;
	}
	return entries;
}

/** Entries of a deb822 file: stanzas of `Field: values`, where a line that starts with a blank goes on. */
export function parseDeb822Sources(text: string): AptEntry[] {
	const entries: AptEntry[] = [];
	const withoutComments = text.replace(/^#.*\n?/gm, "");
	for (const stanza of withoutComments.split(/\n\s*\n/).slice(0, entriesMax)) {
		const fields = new Map<string, string>();
		for (const line of stanza.replace(/\n[ \t]+/g, " ").split("\n")) {
			const match = /^([A-Za-z-]+):[ \t]*(.*)$/.exec(line);
			if (match?.[1] !== undefined) fields.set(match[1].toLowerCase(), match[2]?.trim() ?? "");
		}
		if (!toWords(fields.get("types")).includes("deb") || /^(no|false|0)$/i.test(fields.get("enabled") ?? "")) continue;
		entries.push({
			uris: toWords(fields.get("uris")),
			suites: toWords(fields.get("suites")),
			components: toWords(fields.get("components")),
			signedBy: fields.get("signed-by"),
		});
	}
	return entries;
}

/**
 * The sources among `entries` that are Debian's own for `codename`: the release, its updates and its security suite. What
 * passes is still checked by apt against Debian's keys; the judgement here only spares it repositories that can't pass.
 */
export function selectDebianSources(entries: readonly AptEntry[], codename: string): DebianSource[] {
	const suites = new Set([codename, `${codename}-updates`, `${codename}-security`, `${codename}/updates`]);
	const chosen = new Map<string, DebianSource>();
	for (const entry of entries) {
		if (!entry.components.includes("main")) continue;
		if (entry.signedBy !== undefined && !entry.signedBy.includes("debian-archive-")) continue;
		for (const uri of entry.uris.filter(isDebianArchive)) {
			for (const suite of entry.suites.filter((name) => suites.has(name))) {
				chosen.set(`${uri} ${suite}`, { uri, suite });
			}
		}
	}
	return [...chosen.values()];
}

/** The same mirror's other suite (trixie, sid): whoever serves the release serves those too. */
export function toOtherSuite(sources: readonly DebianSource[], codename: string, suite: string): DebianSource[] {
	const archive = sources.find((source) => source.suite === codename);
	return archive === undefined ? [] : [{ uri: archive.uri, suite }];
}

/** Releases without the suites of updates that others have. */
const withoutUpdates = ["sid", "unstable", "experimental"];

/** The machine's sources, for a guest of another release: the same mirrors, with its updates. */
export function toOtherRelease(sources: readonly DebianSource[], codename: string, suite: string): DebianSource[] {
	if (suite === codename) return [...sources];
	if (withoutUpdates.includes(suite)) return toOtherSuite(sources, codename, suite);
	return sources.map((source) => ({ ...source, suite: source.suite.replace(codename, suite) }));
}

/** Those that a guest can use as well: over the network, and without what lets this machine in. */
export const toGuestSources = (sources: readonly DebianSource[]): DebianSource[] =>
	sources.filter(({ uri }) => /^https?:\/\/[^/@]+\//.test(uri));

/** Contents of a deb822 file for apt, with Debian's keyring as the only keys that count. */
export function formatDebianSources(sources: readonly DebianSource[], keyring: string): string {
	return sources
		.map(({ uri, suite }) => `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`)
		.join("\n");
}

function isDebianArchive(uri: string): boolean {
	return /^[a-z+]+:\S+$/.test(uri) && !uri.startsWith("cdrom:") && /\/debian(-security)?(\/|$)/.test(uri);
}

function toWords(text: string | undefined): string[] {
	return (text ?? "").split(/\s+/).filter(Boolean);
}
