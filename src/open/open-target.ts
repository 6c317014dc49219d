/** What somebody wants opened: a link or a file, from a command line or over D-Bus, checked before anything is started. */
import { QubesLiteError } from "../errors.ts";
import { toSafeText } from "../terminal/safe-text.ts";

export type OpenTarget =
	| {
			readonly kind: "uri";
			/** As the WHATWG parser writes it: no blanks, no control characters, and it begins with its scheme. */
			readonly uri: string;
			/** Of the link's server, lower case, without port; null where it has none, as in a mailto:. */
			readonly host: string | null;
	  }
	/** As it was given, or of a file: URI; it may be relative. */
	| { readonly kind: "file"; readonly path: string };

/** What a desktop hands to a browser or a mail program, and nothing that a guest's handlers would make a command of. */
export const openSchemes = ["http", "https", "mailto", "ftp"] as const;

/** Longer ones are cut by browsers and servers themselves. */
export const uriMaxBytes = 8 * 1024;

/** PATH_MAX. */
const pathMaxBytes = 4096;

/** RFC 3986, 3.1. */
const withScheme = /^([A-Za-z][A-Za-z0-9+.-]*):/;

/** Throws BadRequest with what is wrong and what is meant. Credentials in a link stay there. */
export function parseOpenTarget(untrusted: string): OpenTarget {
	if (untrusted === "") throw bad("nothing to open: an empty word is neither a link nor a file");
	if (/[\p{Cc}\p{Cs}]/u.test(untrusted)) throw bad("what is to be opened has control characters, or is no text");
	const scheme = withScheme.exec(untrusted)?.[1]?.toLowerCase();
	if (scheme === undefined) return parsePath(untrusted);
	if (Buffer.byteLength(untrusted) > uriMaxBytes) throw bad(`the link is longer than ${uriMaxBytes / 1024} KiB`);
	if (scheme === "file") return parsePath(toPath(parseUrl(untrusted)));
	if (!openSchemes.some((known) => known === scheme)) {
		const hint = `a file of such a name is ./${toSafeText(untrusted).slice(0, 60)}`;
		throw bad(`"${scheme}:" is not opened in vms: only ${openSchemes.join(", ")} and files are`, hint);
	}
	const url = parseUrl(untrusted);
	if (Buffer.byteLength(url.href) > uriMaxBytes) throw bad(`the link is longer than ${uriMaxBytes / 1024} KiB`);
	return { kind: "uri", uri: url.href, host: url.hostname === "" ? null : url.hostname };
}

/** What a rule of the policy for `open` names. */
export const schemeOf = (target: OpenTarget): string =>
	target.kind === "file" ? "file" : target.uri.slice(0, target.uri.indexOf(":"));

function parseUrl(untrusted: string): URL {
	const url = URL.parse(untrusted);
	if (url !== null) return url;
	throw bad(`not a link: ${toSafeText(untrusted).slice(0, 200)}`);
}

function toPath({ host, pathname }: URL): string {
	if (host !== "" && host !== "localhost") throw bad(`a file: link leads to another machine: ${toSafeText(host)}`);
	try {
		return decodeURIComponent(pathname);
	} catch {
		throw bad("a file: link holds bytes that are not UTF-8");
	}
}

function parsePath(path: string): OpenTarget {
	if (/[\p{Cc}\p{Cs}]/u.test(path)) throw bad("what is to be opened has control characters, or is no text");
	if (Buffer.byteLength(path) > pathMaxBytes) throw bad("the file's path is longer than 4 KiB");
	return { kind: "file", path };
}

const bad = (message: string, remedy?: string): QubesLiteError => new QubesLiteError("BadRequest", message, { remedy });
