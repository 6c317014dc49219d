/** Where a path leads, link by link, and whether a guest has had a say in that: it may put links into what it shares, to anywhere on the host. */
import { posix } from "node:path";
import { QubesLiteError } from "../errors.ts";
import { toSafeText } from "../terminal/safe-text.ts";

export interface Way {
	/** Where each name on it was looked up, in this order, those of links as well. Absolute, with no link before the last name. */
	readonly places: readonly string[];
	/** Absolute, without links. */
	readonly end: string;
}

/** What the link at a place leads to, undefined where there is something else. Rejects where nothing is. */
export type LinkAt = (place: string) => Promise<string | undefined>;

/** The kernel's own (path_resolution(7)). */
export const linksMax = 40;

/** Rejects with BadRequest where there are too many links, and with what `linkAt` rejects with. */
export async function followWay(path: string, linkAt: LinkAt): Promise<Way> {
	const places: string[] = [];
	let here = "/";
	let links = 0;
	let names = path.split("/");
	for (let name = names.shift(); name !== undefined; name = names.shift()) {
		if (name === "" || name === ".") continue;
		if (name === "..") {
			here = posix.dirname(here);
			continue;
		}
		const place = posix.join(here, name);
		places.push(place);
		const target = await linkAt(place);
		if (target === undefined) {
			here = place;
			continue;
		}
		links += 1;
		if (links > linksMax)
			throw new QubesLiteError("BadRequest", `${toSafeText(path)} leads over more than ${linksMax} links`);
		if (target.startsWith("/")) here = "/";
		names = [...target.split("/"), ...names];
	}
	return { places, end: here };
}

/** The first of `directories`, which are without links, that the way has a name in and does not end in. */
export function findLeft<T extends { readonly path: string }>(
	{ places, end }: Way,
	directories: readonly T[],
): T | undefined {
	return directories.find(({ path }) => places.some((place) => isBelow(path, place)) && !isBelow(path, end));
}

/** Both absolute, and without links. Nothing is below itself. */
export const isBelow = (directory: string, path: string): boolean =>
	path !== directory && path.startsWith(directory === "/" ? directory : `${directory}/`);
