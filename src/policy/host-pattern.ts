/** The hosts that an open-url line is for: "*", a host, or "*." and a host, which is that host with all below it. */

/** RFC 1035, 2.3.4. */
const hostMaxChars = 253;

/** What a pattern is, to end a sentence that begins with "expected". */
export const hostPatternRule = "*, a host (bank.example), or *. and a host (*.bank.example)";

/** In lower case; undefined where `untrusted` is none. A host without a port, in ASCII, as in a URL that has been parsed. */
export function parseHostPattern(untrusted: string): string | undefined {
	const pattern = untrusted.toLowerCase();
	if (pattern === "*") return pattern;
	const isBelow = pattern.startsWith("*.");
	const host = isBelow ? pattern.slice(2) : pattern;
	/** Elsewhere a first dot means what "*." does here: it must not pass for a host that nobody has. */
	if (host.startsWith(".") || host.includes("..")) return undefined;
	/** Of an address there is nothing below. */
	if (host === "" || host.length > hostMaxChars || (isBelow && isAddress(host))) return undefined;
	return asInUrl(host) === host ? pattern : undefined;
}

/** The pattern that `untrusted` should have been, where it only was not written as URLs have it: bücher.example, 127.1. */
export function nearestHostPattern(untrusted: string): string | undefined {
	const [, below = "", host = ""] = /^(\*\.)?(.*)$/s.exec(untrusted) ?? [];
	const better = asInUrl(host);
	return better === undefined ? undefined : parseHostPattern(`${below}${better}`);
}

/** `host` null: there is none, as in a mailto: URI or for a file. */
export function matchesHost(pattern: string, host: string | null): boolean {
	if (pattern === "*") return true;
	if (host === null) return false;
	/** A last dot says only that the name is whole (RFC 1034, 3.1). */
	const name = host.toLowerCase().replace(/\.$/, "");
	if (!pattern.startsWith("*.")) return name === pattern;
	const top = pattern.slice(2);
	return name === top || name.endsWith(`.${top}`);
}

/** All patterns that match at least what this one does, itself among them. */
export function coveringPatterns(pattern: string): string[] {
	const host = pattern.replace(/^\*\.?/, "");
	const labels = host === "" || isAddress(host) ? [] : host.split(".");
	const tops = labels.map((_, index) => `*.${labels.slice(index).join(".")}`);
	return [...new Set(["*", pattern, ...tops])];
}

/** As the URL standard writes it: IDN in ASCII, addresses in full. undefined where it is no host, or more than one. */
function asInUrl(host: string): string | undefined {
	if (/[\s/?#@\\:%*]/.test(host) && !/^\[[\da-f:.]+\]$/i.test(host)) return undefined;
	try {
		const { hostname } = new URL(`http://${host}/`);
		return hostname.replace(/\.$/, "") || undefined;
	} catch {
		return undefined;
	}
}

const isAddress = (host: string): boolean => host.startsWith("[") || /^[\d.]+$/.test(host);
